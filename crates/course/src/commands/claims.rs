//! `claims` and `book`: the ledger and the book, programs of their own.

use judging::{Course, Trouble};

use super::program::become_program;

/// Builds the ledger and replaces this process with it, so that the ledger's
/// exit code is that of the command.
///
/// # Errors
/// The ledger cannot be built or started.
pub fn claims(course: &Course, arguments: &[String]) -> Result<u8, Trouble> {
    let ledger = ("claims", "the program that measures the claims");
    become_program(course, ledger, arguments.iter().cloned())
}

/// Builds the program that builds and serves the book, and replaces this process
/// with it.
///
/// # Errors
/// It cannot be built or started.
pub fn book(course: &Course, arguments: &[String]) -> Result<u8, Trouble> {
    let binder = ("bookbinder", "the program that builds the book");
    become_program(course, binder, arguments.iter().cloned())
}
