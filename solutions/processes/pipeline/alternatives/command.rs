//! Correct in another way: `std::process::Command` starts the programs. It resets
//! SIGPIPE, reports an error of exec, and moves descriptors out of the way. What
//! is left to do here: pipes, the signal mask, cleanup after an error, and the
//! order in which to read and to wait.

use std::ffi::{CString, OsStr};
use std::io::{self, PipeReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use nix::sys::signal::SigSet;

/// One program of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The name or the path of the program. It is also the program's argument 0.
    pub program: CString,
    /// The arguments that follow argument 0.
    pub arguments: Vec<CString>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// What came of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piped {
    /// What the last program wrote to its standard output.
    pub output: Vec<u8>,
    /// How each program ended, in the order of the stages.
    pub endings: Vec<Ending>,
}

/// Runs the programs, waits for all of them, and returns what came of them.
///
/// # Errors
/// Those of pipe(2), and of the start of a program.
///
/// # Safety
/// The contract demands one thread; this answer does not need that.
pub unsafe fn pipeline(stages: &[Stage]) -> io::Result<Piped> {
    let mut children = Vec::new();
    let mut output = Vec::new();
    let ran = start(stages, &mut children).and_then(|last| match last {
        Some(mut last) => last.read_to_end(&mut output),
        None => Ok(0),
    });
    if ran.is_err() {
        for child in &mut children {
            child.kill()?;
        }
    }
    let ended: io::Result<Vec<Ending>> = children
        .iter_mut()
        .map(|child| child.wait().map(ending))
        .collect();
    ran?;
    Ok(Piped {
        output,
        endings: ended?,
    })
}

/// Starts the programs, and returns the read end of the last pipe.
fn start(stages: &[Stage], children: &mut Vec<Child>) -> io::Result<Option<PipeReader>> {
    let text = |text: &CString| OsStr::from_bytes(text.to_bytes()).to_owned();
    let mut input: Option<PipeReader> = None;
    for stage in stages {
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(text(&stage.program));
        command
            .args(stage.arguments.iter().map(text))
            .stdout(writer);
        // SAFETY: the child makes one system call here.
        unsafe { command.pre_exec(|| Ok(SigSet::empty().thread_set_mask()?)) };
        if let Some(input) = input {
            command.stdin(input);
        }
        children.push(command.spawn()?);
        input = Some(reader);
    }
    Ok(input)
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code as u8),
        (None, signal) => Ending::Killed(signal.unwrap_or(0)),
    }
}
