//! The files of an exercise as they were given.
//!
//! From them `reset` restores a file, and `check` knows whether the tests are
//! still ours. `cargo course verify --bless` keeps them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::exercise::catalogue::Exercise;
use crate::exercise::kept;
use crate::files;
use crate::trouble::Trouble;

/// The files of one exercise: the text of each path within its folder.
pub type Files = BTreeMap<String, String>;

/// Where they are kept.
pub fn path(exercise: &Exercise) -> PathBuf {
    kept::path(exercise, "given")
}

/// The exercise's files as they were given; `None` where the course keeps none
/// (the exercise is being written).
///
/// # Errors
/// What is kept cannot be read, or is damaged.
pub fn given(exercise: &Exercise) -> Result<Option<Files>, Trouble> {
    kept::read(&path(exercise))
}

/// Keeps the exercise's files as they are now.
///
/// # Errors
/// Those of reading and writing files.
pub fn keep(exercise: &Exercise) -> Result<(), Trouble> {
    kept::write(&path(exercise), &files_of(exercise)?)
}

/// Keeps these files instead, or none.
///
/// # Errors
/// Those of writing and removing files.
pub fn put_back(exercise: &Exercise, before: Option<&Files>) -> Result<(), Trouble> {
    let path = path(exercise);
    match before {
        Some(files) => kept::write(&path, files),
        None => fs::remove_file(&path).map_err(Trouble::writing(&path)),
    }
}

/// All files of an exercise's folder that belong to it.
pub fn files_of(exercise: &Exercise) -> Result<Files, Trouble> {
    let folder = exercise.folder();
    let mut found = Files::new();
    for path in files::below(&folder)? {
        let name = path.strip_prefix(&folder).unwrap_or(&path);
        found.insert(name.display().to_string(), files::text(&path)?);
    }
    Ok(found)
}

/// The original files of an exercise. Before it returns them, it compares them
/// with those in the exercise's folder: tests and manifests must be unchanged,
/// except that a learner may add dependencies.
///
/// If the course has no originals of the exercise (because it is still being
/// written), these are the files in its folder.
///
/// # Errors
/// [`Trouble::Edited`] names each file that has changed.
pub fn pristine(exercise: &Exercise) -> Result<Files, Trouble> {
    let name = exercise.tests_name();
    let Some(given) = given(exercise)? else {
        return files_of(exercise);
    };
    let is_ours = ours(exercise.root());
    let mut changed = Vec::new();
    for (file, text) in &given {
        let path = exercise.folder().join(file);
        let ours = *file == name || file.ends_with("Cargo.toml");
        if ours && let Some(how) = difference(&path, text, &is_ours) {
            changed.push(format!("{file} {how}"));
        }
    }
    if !changed.is_empty() {
        return Err(Trouble::Edited {
            exercise: exercise.id.clone(),
            files: changed,
        });
    }
    if !given.contains_key(&name) {
        return Err(Trouble::Malformed {
            path: path(exercise),
            why: format!("it contains no {name}: get this file from the course's repository again"),
        });
    }
    Ok(given)
}

/// Whether the learner's file is still the stub. Also true while the exercise is
/// being written and the course keeps no originals of it.
pub fn is_untouched(exercise: &Exercise) -> bool {
    let own = files::text(&exercise.source()).ok();
    let is_own = |given: Files| own.is_some() && given.get("src/lib.rs") == own.as_ref();
    given(exercise).is_ok_and(|given| given.is_none_or(is_own))
}

/// The text of the tests that judge; see [`pristine`].
///
/// # Errors
/// Those of [`pristine`].
pub fn pristine_tests(exercise: &Exercise) -> Result<String, Trouble> {
    let mut given = pristine(exercise)?;
    Ok(given.remove(&exercise.tests_name()).unwrap_or_default())
}

/// How a file differs from the original. `None` if it differs only in what a
/// learner may change.
fn difference(path: &Path, given: &str, is_ours: &dyn Fn(&str) -> bool) -> Option<String> {
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
        return Some("is not a valid manifest any more".into());
    };
    changed_key(&now, &given, "")
        .map(|key| format!("was edited at `{key}`"))
        .or_else(|| {
            strange_dependency(&now, &given, is_ours)
                .map(|name| format!("depends on `{name}`, which is not from the package registry"))
        })
}

/// Whether the workspace's dependency of this name is a crate of the course.
fn ours(root: &Path) -> impl Fn(&str) -> bool {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let manifest: Table = manifest.parse().unwrap_or_default();
    move |name| {
        let dependencies = manifest
            .get("workspace")
            .and_then(|w| w.get("dependencies"));
        dependencies
            .and_then(|all| all.get(name))
            .is_some_and(|dependency| dependency.get("path").is_some())
    }
}

/// The first key at which a manifest differs from the original in more than
/// what a learner may add: dependencies, and features of the dependencies that
/// are there.
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

/// The first dependency that was added to a manifest and is not from the
/// package registry. Such a dependency would bring in another folder (for
/// example the solution's), a repository, or one of the course's own crates.
fn strange_dependency(
    now: &Table,
    given: &Table,
    is_ours: &dyn Fn(&str) -> bool,
) -> Option<String> {
    now.iter().find_map(|(key, value)| {
        let value = value.as_table()?;
        let before = given.get(key).and_then(Value::as_table);
        let nothing = Table::new();
        let before = before.unwrap_or(&nothing);
        if !key.ends_with("dependencies") {
            return strange_dependency(value, before, is_ours);
        }
        let strange = |name: &String, dependency: &Value| {
            !before.contains_key(name)
                && (dependency.get("path").is_some()
                    || dependency.get("git").is_some()
                    || (dependency.get("workspace").is_some() && is_ours(name)))
        };
        let mut added = value.iter();
        added.find_map(|(name, dependency)| strange(name, dependency).then(|| name.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::{changed_key, strange_dependency};

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
    fn what_is_added_comes_from_the_registry() {
        let strange = |added: &str| {
            let now = format!("{GIVEN}\n{added}").parse().unwrap();
            let is_ours = |name: &str| name == "sync";
            strange_dependency(&now, &GIVEN.parse().unwrap(), &is_ours)
        };
        assert_eq!(strange("rand = '1'\ncrossbeam.workspace = true"), None);
        for added in [
            "mine = { path = '../../../solutions' }",
            "[target.'cfg(unix)'.dependencies]\nmine.git = 'x'",
            "[dev-dependencies]\nmine = { path = '.' }",
        ] {
            assert_eq!(strange(added).as_deref(), Some("mine"), "{added}");
        }
        assert_eq!(strange("sync.workspace = true").as_deref(), Some("sync"));
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
