//! Which files the compiler read for a source.
//!
//! The policy on tokens refuses names that read files at compile time, but a
//! macro may hide such a name from it. The compiler itself lists what it read,
//! in the `.d` file next to each library (rustc, `--emit=dep-info`). It must
//! have read nothing but the source.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::build::cargo::Built;
use crate::build::scratch::Candidate;
use crate::files;
use crate::trouble::Trouble;

/// Something outside of a source that the compiler read for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A file that does not belong to the source.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// The compiler left no list.
    Unknown(PathBuf),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Foreign::File(path) => write!(
                f,
                "your code makes the compiler read another file, and that is not allowed: {}",
                path.display()
            ),
            Foreign::Variable(name) => write!(
                f,
                "your code makes the compiler read the environment variable {name}, and that is not allowed"
            ),
            Foreign::Unknown(path) => write!(
                f,
                "the course cannot tell which files the compiler read for your code, because {} is missing",
                path.display()
            ),
        }
    }
}

/// The first thing outside of the source that the compiler read for one of its crates.
///
/// # Errors
/// A list cannot be read.
pub fn foreign(built: &Built, candidate: &Candidate) -> Result<Option<Foreign>, Trouble> {
    let root = candidate.manifest.parent().unwrap_or(Path::new("."));
    let sources = root.join("src");
    let workspace = root.parent().unwrap_or(root);
    for manifest in candidate.crates() {
        let files = built.libraries.iter().find(|(of, _)| of == manifest);
        let Some(list) = files.and_then(|(_, files)| list_beside(files)) else {
            return Ok(Some(Foreign::Unknown(manifest.with_extension("d"))));
        };
        if !list.is_file() {
            return Ok(Some(Foreign::Unknown(list)));
        }
        let list = files::text(&list)?;
        if let Some(found) = first_foreign(&list, workspace, &sources) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// `libNAME-HASH.rlib` has its list in `NAME-HASH.d`.
fn list_beside(files: &[PathBuf]) -> Option<PathBuf> {
    let library = files.iter().find(|file| {
        file.extension()
            .is_some_and(|e| e == "rmeta" || e == "rlib")
    })?;
    let name = library.file_stem()?.to_str()?.strip_prefix("lib")?;
    Some(library.with_file_name(format!("{name}.d")))
}

/// Reads a list in the format of make: `target: file file`, with `\ ` for a
/// space, and `# env-dep:NAME=VALUE` for a variable.
fn first_foreign(list: &str, workspace: &Path, sources: &Path) -> Option<Foreign> {
    for line in list.lines() {
        if let Some(variable) = line.strip_prefix("# env-dep:") {
            let name = variable.split('=').next().unwrap_or(variable);
            return Some(Foreign::Variable(name.to_owned()));
        }
        let Some((_, files)) = line.split_once(": ") else {
            continue;
        };
        for file in words(files) {
            // The explored crate names the source by a path that starts in its own folder.
            let path = plain(&workspace.join(file));
            if !path.starts_with(sources) {
                return Some(Foreign::File(path));
            }
        }
    }
    None
}

fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let last = words.len() - 1;
        match character {
            '\\' => words[last].extend(characters.next()),
            ' ' => words.push(String::new()),
            other => words[last].push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The path without `.` and `..`. Links are not resolved, because the compiler
/// was given none.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => _ = plain.pop(),
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(list: &str) -> Option<Foreign> {
        let workspace = Path::new("/t/check");
        first_foreign(list, workspace, Path::new("/t/check/candidate/src"))
    }

    #[test]
    fn the_sources_themselves_are_no_foreigners() {
        let list = "/t/debug/deps/x.d: candidate/src/lib.rs candidate/src/a\\ b.rs\n\ncandidate/src/lib.rs:\n";
        assert_eq!(found(list), None);
        let explored = "/t/debug/x.rmeta: candidate/explored/../src/lib.rs\n";
        assert_eq!(found(explored), None);
    }

    #[test]
    fn every_other_file_is() {
        for file in [
            "/t/solutions/x.rs",
            "candidate/src/../../../solutions/x.rs",
            "candidate/tests/x.rs",
            "/etc/hostname",
        ] {
            let list = format!("/t/x.d: candidate/src/lib.rs {file}\n");
            assert!(matches!(found(&list), Some(Foreign::File(_))), "{file}");
        }
    }

    #[test]
    fn a_variable_is_named() {
        let list = "/t/x.d: candidate/src/lib.rs\n\n# env-dep:HOME=/root\n";
        assert_eq!(found(list), Some(Foreign::Variable("HOME".to_owned())));
    }
}
