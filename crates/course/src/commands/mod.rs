//! The commands: each reads what it needs, prints, and returns an exit code.

mod check;
mod claims;
mod doctor;
mod hint;
mod list;
mod program;
mod progress;
mod replay;
mod reset;
mod solution;
mod who_waits;
mod workshop;

use std::io::{self, IsTerminal};

use judging::exercise::catalogue::{Course, Exercise};
use judging::terminal::complain;
use judging::trouble::Trouble;

use crate::live::terminal::size;
use crate::progress::Progress;
pub(crate) use check::read_source;
pub use check::{check, next};
pub use claims::{book, claims};
pub use doctor::doctor;
pub use hint::hint;
pub use list::list;
pub(crate) use program::is_built;
pub use progress::progress;
pub(crate) use replay::REPLAY;
pub use replay::{Replay, replay};
pub use reset::reset;
pub(crate) use reset::restore;
pub use solution::solution;
pub(crate) use solution::solution_of;
pub use who_waits::who_waits;
pub use workshop::workshop;

/// How wide texts are printed: as wide as the terminal, but no wider than is easy
/// to read. A pipe has no width.
pub(crate) fn columns() -> usize {
    const WIDEST: usize = 98;
    match (io::stdout().is_terminal(), size().0) {
        (false, _) | (true, 0) => WIDEST,
        (true, columns) => usize::from(columns).clamp(40, WIDEST),
    }
}

/// Reads the progress. If its file cannot be used, says why, and begins with an
/// empty one.
pub(crate) fn progress_of(course: &Course) -> Progress {
    match Progress::read(course) {
        Ok((progress, said)) => {
            if let Some(said) = said {
                complain(&said.to_string());
            }
            progress
        }
        Err(trouble) => {
            complain(&trouble.to_string());
            Progress::default()
        }
    }
}

/// The exercise of this name. If no name is given: the one in whose folder the command was started,
/// or the next one to do.
pub(crate) fn named_or_next<'a>(
    course: &'a Course,
    name: Option<&str>,
    progress: &Progress,
) -> Result<&'a Exercise, Trouble> {
    let here = || {
        let here = std::env::current_dir().ok()?;
        let mut exercises = course.exercises.iter();
        exercises.find(|exercise| here.starts_with(exercise.folder()))
    };
    match name
        .map(|name| course.exercise(name))
        .or_else(|| here().map(Ok))
    {
        Some(exercise) => exercise,
        None => progress.current(course).ok_or_else(|| {
            Trouble::Refused(
                "you have passed every exercise: name the one that you mean, such as `spin-lock`"
                    .into(),
            )
        }),
    }
}
