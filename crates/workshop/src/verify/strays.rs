//! Checks that nothing lies in `exercises/` and `solutions/` that has no meaning there.

use std::fs;
use std::path::{Path, PathBuf};

use judging::exercise::catalogue::{Course, EXPLORED, Exercise};
use judging::exercise::{kept, originals};
use judging::signatures::Signatures;

use super::Complaint;

/// Files of an exercise and its solution that nothing uses.
pub(crate) fn strays(exercise: &Exercise) -> Vec<Complaint> {
    let tests = exercise.tests_name();
    let in_exercise = |path: &str| {
        ["Cargo.toml", "README.md", "hints.md", "src/lib.rs"].contains(&path)
            || path == tests
            || path == EXPLORED
            || is_in(path, "tests/refused/", ".rs")
    };
    let in_solution = |path: &str| {
        ["Cargo.toml", "src/lib.rs"].contains(&path)
            || path == EXPLORED
            || is_in(path, "alternatives/", ".rs")
            || is_in(path, "mistakes/", ".patch")
            || ["answers/right/", "answers/wrong/"]
                .iter()
                .any(|folder| is_in(path, folder, ".rs") || is_in(path, folder, ".patch"))
    };
    let mut found = strays_in(exercise, &exercise.folder(), in_exercise);
    found.extend(strays_in(exercise, &exercise.solution(), in_solution));
    found
}

fn strays_in(
    exercise: &Exercise,
    folder: &Path,
    is_known: impl Fn(&str) -> bool,
) -> Vec<Complaint> {
    everything_below(folder)
        .iter()
        .filter(|path| {
            let name = path.strip_prefix(folder).unwrap_or(path);
            !is_known(&name.to_string_lossy())
        })
        .map(|path| {
            let what = format!("nothing uses the file {}: remove it", path.display());
            Complaint::new(&exercise.id, what)
        })
        .collect()
}

/// Folders that look like exercises but are not in the catalogue, and loose files.
pub(crate) fn unknown_folders(course: &Course) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (house, loose) in [
        ("exercises", ["course.toml"].as_slice()),
        ("solutions", ["README.md"].as_slice()),
    ] {
        for topic in entries(&course.root.join(house)) {
            let name = topic.file_name().unwrap_or_default().to_string_lossy();
            if !topic.is_dir() {
                if !loose.contains(&&*name) {
                    found.push(format!(
                        "nothing uses the file {}: remove it",
                        topic.display()
                    ));
                }
                continue;
            }
            if house == "exercises" && name == kept::FOLDER {
                found.extend(kept_of_nothing(course, &topic));
                continue;
            }
            for folder in entries(&topic) {
                let is_known = course
                    .exercises
                    .iter()
                    .any(|exercise| folder == exercise.folder() || folder == exercise.solution());
                if !is_known {
                    found.push(format!(
                        "no entry of exercises/course.toml names the folder {}: add an entry, or remove the folder",
                        folder.display()
                    ));
                }
            }
        }
    }
    found
        .into_iter()
        .map(|what| Complaint::new("", what))
        .collect()
}

/// Generated files of exercises that do not exist.
fn kept_of_nothing(course: &Course, folder: &Path) -> Vec<String> {
    let is_known = |path: &PathBuf| {
        course.exercises.iter().any(|exercise| {
            *path == originals::path(exercise) || *path == Signatures::path(exercise)
        })
    };
    let unknown = entries(folder).into_iter().filter(|path| !is_known(path));
    unknown
        .map(|path| format!("{} belongs to no exercise: remove it", path.display()))
        .collect()
}

/// Whether the path is `start`, then one name without a `/`, then `end`.
fn is_in(path: &str, start: &str, end: &str) -> bool {
    path.strip_prefix(start)
        .and_then(|rest| rest.strip_suffix(end))
        .is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

/// All files below a folder, including hidden ones and backups.
fn everything_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in entries(folder) {
        match path.is_dir() {
            true => found.extend(everything_below(&path)),
            false => found.push(path),
        }
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}
