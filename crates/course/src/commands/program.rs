//! The programs of the course that are not in the command itself: each is
//! built when it is asked for, so that nobody else waits for its compilation.

use std::os::unix::process::CommandExt;
use std::process::Command;

use judging::build::cargo::{Request, build, names_of_our_own_package};
use judging::terminal::complain;
use judging::{Course, Trouble};

/// Whether the program of this package has been built before. It lies beside this
/// program, in cargo's target folder.
pub(crate) fn is_built(package: &str) -> bool {
    std::env::current_exe().is_ok_and(|program| program.with_file_name(package).exists())
}

/// Builds the program of this package, and becomes it: its exit code is the
/// command's. `title` names it in messages.
///
/// # Errors
/// It cannot be built or started.
pub(super) fn become_program(
    course: &Course,
    (package, title): (&str, &str),
    arguments: impl IntoIterator<Item = String>,
) -> Result<u8, Trouble> {
    if !is_built(package) {
        complain(&format!(
            "building {title}: the first time, this can take some minutes"
        ));
    }
    let request = Request {
        folder: course.root.clone(),
        packages: vec![package],
        binaries: vec![package],
        ..Request::default()
    };
    become_built(&request, title, arguments)
}

/// The same for an example of this package.
///
/// # Errors
/// It cannot be built or started.
pub(super) fn become_example(
    course: &Course,
    (package, example, title): (&str, &str, &str),
    arguments: impl IntoIterator<Item = String>,
) -> Result<u8, Trouble> {
    let request = Request {
        folder: course.root.clone(),
        packages: vec![package],
        examples: vec![example],
        ..Request::default()
    };
    become_built(&request, title, arguments)
}

fn become_built(
    request: &Request<'_>,
    title: &str,
    arguments: impl IntoIterator<Item = String>,
) -> Result<u8, Trouble> {
    let built = build(request)?;
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
