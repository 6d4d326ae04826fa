//! `claims`: the ledger, a program of its own.
//!
//! It is built when it is asked for, so that nobody else waits for its
//! compilation.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::cargo::{Request, build, names_of_our_own_package};
use crate::catalogue::Course;
use crate::trouble::Trouble;

/// Builds the ledger, and becomes it: its verdict is the exit code.
///
/// # Errors
/// It cannot be built or started.
pub fn claims(course: &Course, arguments: &[String]) -> Result<u8, Trouble> {
    let request = Request {
        folder: course.root.clone(),
        packages: vec!["claims"],
        binaries: vec!["claims"],
        ..Request::default()
    };
    let built = build(&request)?;
    let [(_, program)] = built.programs.as_slice() else {
        return Err(Trouble::Build(format!(
            "the ledger of claims cannot be built here:\n{}",
            built.complaint()
        )));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for name in names_of_our_own_package() {
        command.env_remove(name);
    }
    // It returns only if the program could not take this one's place.
    let error = command.exec();
    Err(Trouble::Refused(format!(
        "the ledger of claims, {}, cannot be started: {error}",
        program.display()
    )))
}
