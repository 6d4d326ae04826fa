//! Correct in another way: posix_spawn(3) starts the programs, without a copy of
//! the caller's memory. The pipe ends keep their numbers even if these are below
//! 3. That works for two reasons: posix_spawn clears close-on-exec if an end has
//! the right number already, and an end with number 1 becomes the standard input
//! before the standard output overwrites it.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawnp};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2};

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
/// Those of pipe(2) and posix_spawn(3).
///
/// # Safety
/// The contract demands one thread; this answer does not need that.
pub unsafe fn pipeline(stages: &[Stage]) -> io::Result<Piped> {
    let mut children = Vec::new();
    let result = run(stages, &mut children);
    if result.is_err() {
        for child in &children {
            kill(*child, Signal::SIGKILL)?;
        }
    }
    let endings: io::Result<Vec<Ending>> = children.into_iter().map(wait_for).collect();
    Ok(Piped {
        output: result?,
        endings: endings?,
    })
}

fn run(stages: &[Stage], children: &mut Vec<Pid>) -> io::Result<Vec<u8>> {
    let mut input: Option<OwnedFd> = None;
    for stage in stages {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        children.push(spawn(stage, input.as_ref(), &writer)?);
        input = Some(reader);
    }
    let mut output = Vec::new();
    if let Some(last) = input {
        File::from(last).read_to_end(&mut output)?;
    }
    Ok(output)
}

fn spawn(stage: &Stage, input: Option<&OwnedFd>, output: &OwnedFd) -> nix::Result<Pid> {
    let mut actions = PosixSpawnFileActions::init()?;
    if let Some(input) = input {
        actions.add_dup2(input.as_raw_fd(), libc::STDIN_FILENO)?;
    }
    actions.add_dup2(output.as_raw_fd(), libc::STDOUT_FILENO)?;
    let mut attributes = PosixSpawnAttr::init()?;
    let mut defaults = SigSet::empty();
    defaults.add(Signal::SIGPIPE);
    attributes.set_sigdefault(&defaults)?;
    attributes.set_sigmask(&SigSet::empty())?;
    attributes.set_flags(
        PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF | PosixSpawnFlags::POSIX_SPAWN_SETSIGMASK,
    )?;
    let mut arguments = vec![stage.program.clone()];
    arguments.extend(stage.arguments.iter().cloned());
    let environment: Vec<CString> = std::env::vars_os()
        .filter_map(|(name, value)| {
            let mut variable = name.into_vec();
            variable.push(b'=');
            variable.extend(value.into_vec());
            CString::new(variable).ok()
        })
        .collect();
    posix_spawnp(
        &stage.program,
        &actions,
        &attributes,
        &arguments,
        &environment,
    )
}

fn wait_for(child: Pid) -> io::Result<Ending> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ending::Exited(code as u8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ending::Killed(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
