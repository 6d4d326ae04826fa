//! Makes the manifests of a scratch workspace from those of the exercise.

use std::path::Path;

use toml::{Table, Value};

use super::Part;
use crate::trouble::Trouble;

/// Replaces the targets. A judge is a `[[test]]`. A subject is an
/// `[[example]]`, so that it may use the dev-dependencies and is compiled
/// without `cfg(test)`.
pub(super) fn targets(manifest: &mut Table, name: &str, tests: &str, part: Part) {
    let target = Table::from_iter([
        ("name".to_owned(), Value::String(name.to_owned())),
        ("path".to_owned(), Value::String(tests.to_owned())),
    ]);
    for kind in ["test", "example", "bin", "bench"] {
        manifest.remove(kind);
    }
    if let Some(Value::Table(package)) = manifest.get_mut("package") {
        for kind in ["autotests", "autoexamples", "autobins", "autobenches"] {
            package.insert(kind.into(), Value::Boolean(false));
        }
        package.insert("build".into(), Value::Boolean(false));
    }
    let kind = match part {
        Part::Judge => "test",
        Part::Subject => "example",
    };
    let targets = Value::Array(vec![Value::Table(target)]);
    manifest.insert(kind.into(), targets);
}

/// Writes the hash of the content into the description; the module
/// [`scratch`](super) says why.
pub(super) fn describe(manifest: &mut Table, content: &str) {
    if let Some(Value::Table(package)) = manifest.get_mut("package") {
        let description = format!("made of sources with the hash {content}");
        package.insert("description".into(), Value::String(description));
    }
}

/// Switches debug information off, except for line numbers if `with_lines` is
/// set: there are many of these programs, and nobody uses a debugger on them.
pub(super) fn lighten(manifest: &mut Table, incremental: bool, with_lines: bool) {
    if let Some(Value::Table(profile)) = manifest.get_mut("profile")
        && let Some(Value::Table(dev)) = profile.get_mut("dev")
    {
        let lines = match with_lines {
            true => "line-tables-only",
            false => "none",
        };
        dev.insert("debug".into(), Value::String(lines.into()));
        dev.insert("incremental".into(), Value::Boolean(incremental));
    }
}

pub(super) struct Rename<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
}

impl Rename<'_> {
    /// Changes a manifest of the exercise or of its explored crate for its new
    /// place and name.
    pub(super) fn manifest(&self, mut table: Table, path: &Path) -> Table {
        let folder = path.parent().unwrap_or(Path::new("."));
        if let Some(Value::Table(package)) = table.get_mut("package") {
            self.value(package, "name");
        }
        for kind in ["dependencies", "dev-dependencies"] {
            let Some(Value::Table(dependencies)) = table.get_mut(kind) else {
                continue;
            };
            make_absolute(dependencies, folder, &["explored"]);
            for dependency in dependencies
                .iter_mut()
                .filter_map(|(_, d)| d.as_table_mut())
            {
                self.value(dependency, "package");
            }
        }
        table
    }

    /// Renames the value of a key if it names the exercise or its explored crate.
    fn value(&self, table: &mut Table, key: &str) {
        if let Some(Value::String(name)) = table.get_mut(key)
            && let Some(rest) = name.strip_prefix(self.from)
            && (rest.is_empty() || rest.starts_with('-'))
        {
            *name = format!("{}{rest}", self.to);
        }
    }
}

/// Makes the paths of dependencies absolute, except for those that begin with a
/// text in `but`.
pub(super) fn make_absolute(dependencies: &mut Table, folder: &Path, but: &[&str]) {
    for dependency in dependencies
        .iter_mut()
        .filter_map(|(_, d)| d.as_table_mut())
    {
        let stays = dependency
            .get("path")
            .and_then(Value::as_str)
            .is_some_and(|path| but.iter().any(|start| path.starts_with(start)));
        if !stays {
            absolute(dependency, folder);
        }
    }
}

fn absolute(table: &mut Table, folder: &Path) {
    if let Some(Value::String(path)) = table.get_mut("path") {
        let whole = folder.join(&*path);
        *path = whole.canonicalize().unwrap_or(whole).display().to_string();
    }
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Table, Trouble> {
    text.parse()
        .map_err(|error: toml::de::Error| Trouble::malformed(path.to_owned(), error.to_string()))
}
