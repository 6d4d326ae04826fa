//! The exercises as they were given: `exercises/originals.json`.
//!
//! From it `reset` restores a file, and `check` knows whether the tests are
//! still ours. `cargo course verify --bless` writes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::catalogue::{Course, Exercise};
use crate::files;
use crate::trouble::Trouble;

/// The files of one exercise: path within its folder, text.
pub type Files = BTreeMap<String, String>;

/// The files of all exercises, by the exercise's id.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Originals(pub BTreeMap<String, Files>);

impl Originals {
    /// Where they are kept.
    pub fn path(course: &Course) -> PathBuf {
        course.root.join("exercises/originals.json")
    }

    /// Reads them; none at all where the file does not exist (a course that is
    /// being written).
    ///
    /// # Errors
    /// A file that cannot be read or is malformed.
    pub fn read(course: &Course) -> Result<Originals, Trouble> {
        let path = Originals::path(course);
        if !path.exists() {
            return Ok(Originals::default());
        }
        let text = files::text(&path)?;
        serde_json::from_str(&text).map_err(|error| Trouble::Malformed {
            path,
            why: format!("{error}: take this file from the course's repository again"),
        })
    }

    /// The exercises as they are in the tree now.
    ///
    /// # Errors
    /// A file that cannot be read or is not text.
    pub fn of_tree(course: &Course) -> Result<Originals, Trouble> {
        course
            .exercises
            .iter()
            .map(|exercise| Ok((exercise.id.clone(), files_of(exercise)?)))
            .collect::<Result<_, _>>()
            .map(Originals)
    }

    /// Writes them, whole or not at all.
    ///
    /// # Errors
    /// Those of writing a file.
    pub fn write(&self, course: &Course) -> Result<(), Trouble> {
        let path = Originals::path(course);
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        files::write(&path, &text)
    }

    /// The given files of one exercise.
    pub fn of(&self, exercise: &Exercise) -> Option<&Files> {
        self.0.get(&exercise.id)
    }
}

/// All files of an exercise's folder that belong to it.
fn files_of(exercise: &Exercise) -> Result<Files, Trouble> {
    let folder = exercise.folder();
    let mut found = Files::new();
    for path in files::below(&folder)? {
        let name = path.strip_prefix(&folder).unwrap_or(&path);
        found.insert(name.display().to_string(), files::text(&path)?);
    }
    Ok(found)
}

/// The text of the tests by which to judge, after a look at what was given:
/// tests and manifests must be as they were, a dependency more is fine.
///
/// # Errors
/// [`Trouble::Edited`] names each file that is not as it was.
pub fn pristine_tests(exercise: &Exercise, originals: &Originals) -> Result<String, Trouble> {
    let name = exercise.tests_name();
    let Some(given) = originals.of(exercise) else {
        return files::text(&exercise.tests());
    };
    let mut changed = Vec::new();
    for (file, text) in given {
        let path = exercise.folder().join(file);
        let ours = *file == name || file.ends_with("Cargo.toml");
        if ours && let Some(how) = difference(&path, text) {
            changed.push(format!("{file} {how}"));
        }
    }
    if !changed.is_empty() {
        return Err(Trouble::Edited {
            exercise: exercise.id.clone(),
            files: changed,
        });
    }
    given.get(&name).cloned().ok_or_else(|| Trouble::Malformed {
        path: PathBuf::from("exercises/originals.json"),
        why: format!("it holds no {name} of {}", exercise.id),
    })
}

/// How a file differs from what was given; `None` if in nothing that is ours.
fn difference(path: &Path, given: &str) -> Option<String> {
    let now = match fs::read_to_string(path) {
        Ok(now) => now,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Some("is missing".into());
        }
        Err(error) => return Some(format!("cannot be read: {error}")),
    };
    if now == given {
        return None;
    }
    if path.file_name().is_none_or(|name| name != "Cargo.toml") {
        return Some("was edited".into());
    }
    let (Ok(now), Ok(given)) = (now.parse::<Table>(), given.parse::<Table>()) else {
        return Some("is no manifest any more".into());
    };
    changed_key(&now, &given, "").map(|key| format!("was edited at `{key}`"))
}

/// The first key at which a manifest differs in more than what a learner may
/// add: dependencies, and features of ours.
fn changed_key(now: &Table, given: &Table, within: &str) -> Option<String> {
    let name = |key: &str| match within {
        "" => key.to_owned(),
        within => format!("{within}.{key}"),
    };
    for (key, given) in given {
        let differs = match (now.get(key), given) {
            (Some(Value::Table(now)), Value::Table(given)) => changed_key(now, given, &name(key)),
            (Some(now), given) if now == given => None,
            _ => Some(name(key)),
        };
        if differs.is_some() {
            return differs;
        }
    }
    let may_add = |key: &str| match within {
        "" => matches!(
            key,
            "dependencies" | "dev-dependencies" | "features" | "target"
        ),
        "dependencies" | "dev-dependencies" => true,
        _ => within.contains("dependencies.") && key == "features",
    };
    now.keys()
        .find(|key| !given.contains_key(*key) && !may_add(key))
        .map(|key| name(key))
}

#[cfg(test)]
mod tests {
    use super::changed_key;

    const GIVEN: &str = "
        [package]
        name = 'spin-lock'
        [[test]]
        name = 'spin-lock'
        [dependencies]
        nix.workspace = true
    ";

    fn changed(now: &str) -> Option<String> {
        changed_key(&now.parse().unwrap(), &GIVEN.parse().unwrap(), "")
    }

    #[test]
    fn a_learner_may_add_dependencies_and_features() {
        assert_eq!(changed(GIVEN), None);
        assert_eq!(changed(&format!("{GIVEN}\n rand = '1'")), None);
        let features = GIVEN.replace("true", "true\n nix.features = ['ptrace']");
        assert_eq!(changed(&features), None);
        assert_eq!(
            changed(&format!("{GIVEN}\n[dev-dependencies]\nrand = '1'")),
            None
        );
    }

    #[test]
    fn everything_else_is_named() {
        let renamed = GIVEN.replace(
            "name = 'spin-lock'\n        [[",
            "name = 'mine'\n        [[",
        );
        assert_eq!(changed(&renamed).as_deref(), Some("package.name"));
        let built = GIVEN.replace("[package]", "[package]\nbuild = 'b.rs'");
        assert_eq!(changed(&built).as_deref(), Some("package.build"));
        let own_harness = GIVEN.replace("[[test]]", "[[test]]\nharness = false");
        assert_eq!(changed(&own_harness).as_deref(), Some("test"));
        let without = GIVEN.replace("nix.workspace = true", "");
        assert_eq!(changed(&without).as_deref(), Some("dependencies.nix"));
        let profile = format!("{GIVEN}\n[profile.dev]\nopt-level = 3");
        assert_eq!(changed(&profile).as_deref(), Some("profile"));
    }
}
