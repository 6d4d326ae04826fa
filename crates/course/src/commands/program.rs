//! The programs of the course that are not in the command itself: each is
//! built when it is asked for, so that nobody else waits for its compilation.

use std::os::unix::process::CommandExt;
use std::process::Command;

use judging::build::cargo::{Request, build, names_of_our_own_package};
use judging::{Course, Trouble};

/// Builds the program of this package, and becomes it: its exit code is the
/// command's. `title` names it in messages.
///
/// # Errors
/// The ledger cannot be built or started.
pub(super) fn become_program(
    course: &Course,
    (package, title): (&str, &str),
    arguments: impl IntoIterator<Item = String>,
) -> Result<u8, Trouble> {
    let request = Request {
        folder: course.root.clone(),
        packages: vec![package],
        binaries: vec![package],
        ..Request::default()
    };
    let built = build(&request)?;
    let [(_, program)] = built.programs.as_slice() else {
        return Err(Trouble::Build(format!(
            "{title} cannot be built here:\n{}",
            built.complaint()
        )));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for name in names_of_our_own_package() {
        command.env_remove(name);
    }
    // `exec` returns only if it fails.
    let error = command.exec();
    Err(Trouble::Refused(format!(
        "{title}, {}, cannot be started: {error}",
        program.display()
    )))
}
