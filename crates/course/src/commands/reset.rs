//! `reset`: restores files as the course gave them, and keeps what was there as a backup.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::originals;
use judging::files;
use judging::terminal::say;
use judging::trouble::Trouble;

use crate::progress::numbered;

/// The learner's file within an exercise.
const SOURCE: &str = "src/lib.rs";

/// Puts the stub back, or, if `tests` is set, everything except the learner's file.
///
/// # Errors
/// The originals do not contain the exercise, or a file cannot be written. The
/// file that was there is then still in its place or in its backup.
pub fn reset(course: &Course, name: &str, tests: bool) -> Result<u8, Trouble> {
    let exercise = course.exercise(name)?;
    for sentence in restore(course, exercise, tests)? {
        say(&format!("{sentence}\n"));
    }
    Ok(0)
}

/// Restores the files, and returns sentences that say what was done.
///
/// # Errors
/// Those of [`reset`].
pub(crate) fn restore(
    course: &Course,
    exercise: &Exercise,
    tests: bool,
) -> Result<Vec<String>, Trouble> {
    let given = originals::given(exercise)?.ok_or_else(|| {
        Trouble::Refused(format!(
            "{}, which holds {} as it was given, is missing: get this file from the course's repository again",
            course.short(&originals::path(exercise)).display(),
            exercise.id
        ))
    })?;
    let mut said = Vec::new();
    for (file, text) in &given {
        if (file == SOURCE) == tests {
            continue;
        }
        let path = exercise.folder().join(file);
        if fs::read(&path).is_ok_and(|now| now == text.as_bytes()) {
            // The file may have been moved here with an old modification time.
            // `cargo test` compares times, and would not build it.
            let touched = fs::File::options().write(true).open(&path);
            let _ = touched.and_then(|file| file.set_modified(SystemTime::now()));
            continue;
        }
        let backup = back_up(course, exercise, &path, file)?;
        files::write(&path, text)?;
        let kept = match backup {
            Some(backup) => format!(
                "; the version that was there is in {}",
                course.short(&backup).display()
            ),
            None => String::new(),
        };
        said.push(format!(
            "{} is restored{kept}",
            course.short(&path).display()
        ));
    }
    if said.is_empty() {
        let what = if tests {
            "everything but your src/lib.rs"
        } else {
            "src/lib.rs"
        };
        said.push(format!(
            "{}: {what} is unchanged, so there is nothing to restore",
            exercise.id
        ));
    }
    if !tests && let Err(edited @ Trouble::Edited { .. }) = originals::pristine_tests(exercise) {
        said.push(edited.to_string());
    }
    Ok(said)
}

/// Copies a file to `.course/backups/EXERCISE/FILE.backup-N`. `None` if there is no file.
fn back_up(
    course: &Course,
    exercise: &Exercise,
    path: &Path,
    file: &str,
) -> Result<Option<PathBuf>, Trouble> {
    if !path.exists() {
        return Ok(None);
    }
    let kept = course
        .root
        .join(".course/backups")
        .join(&exercise.id)
        .join(file);
    let folder = kept.parent().unwrap_or(&kept);
    fs::create_dir_all(folder).map_err(Trouble::writing(folder))?;
    let backup = numbered(&kept, "backup");
    fs::copy(path, &backup)
        .and_then(|_| fs::File::open(&backup)?.sync_all())
        .inspect_err(|_| {
            // The learner would take half a backup for a whole one.
            let _ = fs::remove_file(&backup);
        })
        .map_err(Trouble::writing(&backup))?;
    Ok(Some(backup))
}
