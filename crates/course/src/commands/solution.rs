//! `solution`: prints the course's solution.

use std::path::PathBuf;

use judging::exercise::catalogue::{Course, Exercise, NO_SOLUTIONS};
use judging::files;
use judging::terminal::{complain, say};
use judging::trouble::Trouble;

use super::progress_of;

/// Prints the solution, if the exercise is passed or the learner gives up.
///
/// # Errors
/// The exercise is not passed and `give_up` is not set, or the course has no solutions.
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
            "\nother right solutions: {}",
            course.short(&others).display()
        ));
    }
    Ok(0)
}

/// The path of the solution, if the learner may see it. `anyway` makes the
/// command that shows it before the exercise is passed.
///
/// # Errors
/// Those of [`solution`].
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
            "you have not passed {id} yet: `cargo course hint {id}` gives a hint, \
             and `{}` shows the solution all the same",
            anyway(id)
        )));
    }
    let path = exercise.solution().join("src/lib.rs");
    if !path.exists() {
        return Err(Trouble::Refused(format!(
            "this copy of the course contains no solution of {id}"
        )));
    }
    Ok(path)
}
