//! `verify`, `answers`, `bundle`, `new`: the workshop, a program of its own.

use judging::{Course, Trouble};

use super::program::become_program;

/// Builds the workshop, and becomes it, with `word` as its command.
///
/// # Errors
/// This is a student's copy, which holds no workshop; it cannot be built or started.
pub fn workshop(course: &Course, word: &str, arguments: &[String]) -> Result<u8, Trouble> {
    if course.is_bundle() {
        return Err(Trouble::Refused(format!(
            "this copy of the course is for students: it holds neither the solutions nor the tools \
             that `cargo course {word}` needs; run it in the course that this copy was made of"
        )));
    }
    let words = std::iter::once(word.to_owned()).chain(arguments.iter().cloned());
    become_program(course, ("workshop", "the authors' program"), words)
}
