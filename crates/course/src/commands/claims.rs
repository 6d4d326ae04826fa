//! `claims`: the ledger, a program of its own.

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
