//! `verify`, `answers`, `bundle`, `new`: the workshop, a program of its own.

use judging::{Course, Trouble};

use super::program::become_program;

/// Builds the workshop, and becomes it, with `word` as its command.
///
/// # Errors
/// This is a student's copy, which holds no workshop; it cannot be built or started.
pub fn workshop(course: &Course, word: &str, arguments: &[String]) -> Result<u8, Trouble> {
    course.refuse_a_bundle()?;
    let words = std::iter::once(word.to_owned()).chain(arguments.iter().cloned());
    become_program(course, ("workshop", "the authors' program"), words)
}
