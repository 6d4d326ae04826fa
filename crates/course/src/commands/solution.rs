//! `solution`: how the course does it.

use std::path::PathBuf;

use super::progress_of;
use judging::exercise::catalogue::{Course, Exercise, NO_SOLUTIONS};
use judging::files;
use judging::terminal::{complain, say};
use judging::trouble::Trouble;

/// Prints the solution, once the exercise is passed.
///
/// # Errors
/// It is not passed and `give_up` is not said; the course has no solutions.
pub fn solution(course: &Course, name: &str, give_up: bool) -> Result<u8, Trouble> {
    let exercise = course.exercise(name)?;
    let path = solution_of(course, exercise, give_up, |id| {
        format!("cargo course solution {id} --give-up")
    })?;
    complain(&format!("{}:\n", course.short(&path).display()));
    say(&files::text(&path)?);
    let others = exercise.solution().join("alternatives");
    if others.is_dir() {
        complain(&format!(
            "\nothers that are right: {}",
            course.short(&others).display()
        ));
    }
    Ok(0)
}

/// Where the solution is, once the learner may see it; `anyway` is the command
/// that shows it all the same.
///
/// # Errors
/// As [`solution`].
pub(crate) fn solution_of(
    course: &Course,
    exercise: &Exercise,
    give_up: bool,
    anyway: impl Fn(&str) -> String,
) -> Result<PathBuf, Trouble> {
    if course.is_bundle() {
        return Err(Trouble::Refused(NO_SOLUTIONS.into()));
    }
    let id = &exercise.id;
    if !give_up && !progress_of(course).has_passed(exercise) {
        return Err(Trouble::Refused(format!(
            "{id} is not passed yet: `cargo course hint {id}` helps on, \
             `{}` shows the solution now",
            anyway(id)
        )));
    }
    let path = exercise.solution().join("src/lib.rs");
    if !path.exists() {
        return Err(Trouble::Refused(format!(
            "this copy of the course holds no solution of {id}"
        )));
    }
    Ok(path)
}
