//! Checks that the manifests of exercise, solution and explored crate agree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use judging::exercise::catalogue::{Course, Exercise, explored_in};
use judging::files;
use judging::trouble::Trouble;
use toml::{Table, Value};

use super::Complaint;

/// Checks that `cargo test -p NAME` means only one package.
pub(crate) fn lock(course: &Course) -> Result<Vec<Complaint>, Trouble> {
    let path = course.root.join("Cargo.lock");
    let Value::Array(packages) = read(&path)?
        .remove("package")
        .unwrap_or(Value::Array(vec![]))
    else {
        return Ok(Vec::new());
    };
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for name in packages
        .iter()
        .filter_map(|package| package.get("name")?.as_str())
    {
        *versions.entry(name).or_default() += 1;
    }
    let mut found = Vec::new();
    for exercise in &course.exercises {
        for name in [exercise.id.clone(), format!("{}-solution", exercise.id)] {
            let what = match versions.get(name.as_str()) {
                Some(1) => continue,
                Some(_) => format!("Cargo.lock has another package `{name}`: rename the exercise"),
                None => {
                    format!("Cargo.lock has no package `{name}`: is it a member of the workspace?")
                }
            };
            found.push(Complaint::new(&exercise.id, what));
        }
    }
    Ok(found)
}

/// Checks the manifests of one exercise.
pub(crate) fn manifests(exercise: &Exercise) -> Vec<Complaint> {
    let mut found = Vec::new();
    let id = &exercise.id;
    let ours = Side {
        folder: exercise.folder(),
        name: id.clone(),
        tests: exercise.tests_name(),
    };
    let theirs = Side {
        folder: exercise.solution(),
        name: format!("{id}-solution"),
        tests: format!(
            "../../../exercises/{}/{id}/{}",
            exercise.topic,
            exercise.tests_name()
        ),
    };
    for side in [&ours, &theirs] {
        found.extend(side.complaints(id));
    }
    let (one, other) = (ours.dependencies(), theirs.dependencies());
    if one != other {
        let only = |a: &BTreeMap<String, Value>, b: &BTreeMap<String, Value>| {
            let names: Vec<_> = a.iter().filter(|(k, v)| b.get(*k) != Some(v)).collect();
            names
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        found.push(format!(
            "the Cargo.toml of the exercise and that of its solution have different dependencies: {} | {}",
            only(&one, &other),
            only(&other, &one)
        ));
    }
    found
        .into_iter()
        .map(|what| Complaint::new(id, what))
        .collect()
}

/// The package of an exercise, or that of its solution.
struct Side {
    folder: PathBuf,
    name: String,
    tests: String,
}

impl Side {
    fn complaints(&self, id: &str) -> Vec<String> {
        let path = self.folder.join("Cargo.toml");
        let table = match read(&path) {
            Ok(table) => table,
            Err(trouble) => return vec![trouble.to_string()],
        };
        let mut found = Vec::new();
        let mut complain = |path: &Path, what: String| {
            found.push(format!("{}: {what}", path.display()));
        };
        if text(&table, &["package", "name"]) != Some(&self.name) {
            complain(&path, format!("the package is not named `{}`", self.name));
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if at(&table, &["package", key, "workspace"]) != Some(&Value::Boolean(true)) {
                complain(&path, format!("`{key}.workspace = true` is missing"));
            }
        }
        let test = table
            .get("test")
            .and_then(Value::as_array)
            .map(Vec::as_slice);
        let fits = matches!(test, Some([Value::Table(test)])
            if text(test, &["name"]) == Some(id) && text(test, &["path"]) == Some(&self.tests));
        if !fits {
            complain(
                &path,
                format!(
                    "it must have exactly one [[test]], with name = \"{id}\" and path = \"{}\"",
                    self.tests
                ),
            );
        }
        if at(&table, &["dev-dependencies", "proctor"]).is_none() {
            complain(&path, "`proctor` is missing in [dev-dependencies]".into());
        }
        if let Some(explored) = explored_in(&self.folder) {
            let Ok(table) = read(&explored) else {
                complain(&explored, "it cannot be read".into());
                return found;
            };
            if !text(&table, &["package", "name"]).is_some_and(|name| name.starts_with(&self.name))
            {
                complain(
                    &explored,
                    format!("the package's name does not begin with `{}`", self.name),
                );
            }
            if text(&table, &["lib", "path"]) != Some("../src/lib.rs") {
                complain(&explored, "its [lib] path is not \"../src/lib.rs\"".into());
            }
        }
        found
    }

    /// All dependencies of the package and its explored crate, without its own name.
    fn dependencies(&self) -> BTreeMap<String, Value> {
        let mut found = BTreeMap::new();
        let manifests = explored_in(&self.folder)
            .into_iter()
            .chain([self.folder.join("Cargo.toml")]);
        for manifest in manifests {
            let Ok(table) = read(&manifest) else { continue };
            let place = manifest.strip_prefix(&self.folder).unwrap_or(&manifest);
            for kind in ["dependencies", "dev-dependencies"] {
                let dependencies = table.get(kind).and_then(Value::as_table);
                for (name, value) in dependencies.into_iter().flatten() {
                    let mut value = value.clone();
                    if let Some(Value::String(package)) = value.get_mut("package") {
                        *package = package.replacen(&self.name, "", 1);
                    }
                    found.insert(format!("{name} in [{kind}] of {}", place.display()), value);
                }
            }
        }
        found
    }
}

fn read(path: &Path) -> Result<Table, Trouble> {
    files::text(path)?
        .parse()
        .map_err(|error: toml::de::Error| Trouble::Malformed {
            path: path.to_owned(),
            why: error.to_string(),
        })
}

fn at<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter()
        .try_fold(table.get(*first)?, |value, key| value.get(key))
}

fn text<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a str> {
    at(table, keys)?.as_str()
}
