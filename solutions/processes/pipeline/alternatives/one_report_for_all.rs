//! Correct in another way: all children report to one pipe, and the caller looks
//! at it after it has started all of them. An end that has the right number
//! already loses its close-on-exec flag in the child, and the last program is
//! waited for first.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask,
};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{ForkResult, Pid, dup2_stdin, dup2_stdout, execvp, fork, pipe2, read, write};

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
/// Those of pipe(2), fork(2) and execvp(3).
///
/// # Safety
/// The caller's process has one thread.
pub unsafe fn pipeline(stages: &[Stage]) -> io::Result<Piped> {
    let mut children = Vec::new();
    // SAFETY: the caller's promise.
    let output = unsafe { run(stages, &mut children) };
    let mut endings = Vec::new();
    if output.is_err() {
        for child in &children {
            let _ = nix::sys::signal::kill(*child, Signal::SIGKILL);
        }
    }
    for child in children.into_iter().rev() {
        endings.push(reap(child)?);
    }
    endings.reverse();
    Ok(Piped {
        output: output?,
        endings,
    })
}

/// # Safety
/// The process has one thread.
unsafe fn run(stages: &[Stage], children: &mut Vec<Pid>) -> io::Result<Vec<u8>> {
    let (failures, report) = pipe2(OFlag::O_CLOEXEC)?;
    // A child overwrites the descriptors 0 and 1.
    let report = above(report)?;
    let mut input = None;
    for stage in stages {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
        // SAFETY: the caller's promise.
        match unsafe { fork() }? {
            ForkResult::Child => {
                let errno = become_program(stage, input.as_ref(), &writer) as i32;
                let _ = write(&report, &errno.to_ne_bytes());
                // SAFETY: ends the process.
                unsafe { libc::_exit(1) }
            }
            ForkResult::Parent { child } => children.push(child),
        }
        input = Some(reader);
    }
    drop(report);
    let failed = read_all(&failures)?;
    if let Some(errno) = failed.first_chunk() {
        return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(*errno)));
    }
    input.map_or(Ok(Vec::new()), |last| Ok(read_all(&last)?))
}

fn above(end: OwnedFd) -> nix::Result<OwnedFd> {
    let copy = fcntl(&end, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: it has just been opened.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

fn become_program(stage: &Stage, input: Option<&OwnedFd>, output: &OwnedFd) -> Errno {
    let execute = || {
        if let Some(input) = input {
            match input.as_raw_fd() {
                libc::STDIN_FILENO => _ = fcntl(input, FcntlArg::F_SETFD(FdFlag::empty()))?,
                _ => dup2_stdin(input)?,
            }
        }
        match output.as_raw_fd() {
            libc::STDOUT_FILENO => _ = fcntl(output, FcntlArg::F_SETFD(FdFlag::empty()))?,
            _ => dup2_stdout(output)?,
        }
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: there is no handler.
        unsafe { sigaction(Signal::SIGPIPE, &default) }?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        let arguments: Vec<&CString> = [&stage.program]
            .into_iter()
            .chain(&stage.arguments)
            .collect();
        execvp(&stage.program, &arguments)
    };
    let Err(errno) = execute();
    errno
}

fn read_all(end: &OwnedFd) -> nix::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match read(end, &mut buffer) {
            Ok(0) => return Ok(all),
            Ok(length) => all.extend_from_slice(&buffer[..length]),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn reap(child: Pid) -> nix::Result<Ending> {
    loop {
        match waitid(Id::Pid(child), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ending::Exited(code as u8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ending::Killed(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}
