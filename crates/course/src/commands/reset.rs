//! `reset`: files as they were given; what was there is kept.

use std::fs;
use std::path::{Path, PathBuf};

use crate::catalogue::{Course, Exercise};
use crate::files;
use crate::originals::Originals;
use crate::progress::numbered;
use crate::show::say;
use crate::trouble::Trouble;

/// The learner's file within an exercise.
const SOURCE: &str = "src/lib.rs";

/// Puts the stub back, or with `tests` everything but the learner's file.
///
/// # Errors
/// The originals do not know the exercise; a file cannot be written. The file
/// that was there is then still there, or in its backup.
pub fn reset(course: &Course, name: &str, tests: bool) -> Result<u8, Trouble> {
    let exercise = course.exercise(name)?;
    let originals = Originals::read(course)?;
    let given = originals.of(exercise).ok_or_else(|| {
        Trouble::Refused(format!(
            "{} does not hold {}: take it from the course's repository again",
            course.short(&Originals::path(course)).display(),
            exercise.id
        ))
    })?;
    let mut restored = 0;
    for (file, text) in given {
        if (file == SOURCE) == tests {
            continue;
        }
        let path = exercise.folder().join(file);
        if fs::read(&path).is_ok_and(|now| now == text.as_bytes()) {
            continue;
        }
        let backup = back_up(course, exercise, &path, file)?;
        files::write(&path, text)?;
        restored += 1;
        let kept = match backup {
            Some(backup) => format!("; what it was is in {}", course.short(&backup).display()),
            None => String::new(),
        };
        say(&format!(
            "{} is as it was given{kept}\n",
            course.short(&path).display()
        ));
    }
    if restored == 0 {
        let what = if tests {
            "everything but your src/lib.rs"
        } else {
            "src/lib.rs"
        };
        say(&format!(
            "{}: {what} is as it was given already\n",
            exercise.id
        ));
    }
    Ok(0)
}

/// Copies a file to `.course/backups/EXERCISE/FILE.N`; `None` if there is none.
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
        .map_err(Trouble::writing(&backup))?;
    Ok(Some(backup))
}
