//! Right by another way: two children. The first is a middle man that starts
//! the second, waits for it and writes down in a pipe how it ended; the caller
//! reads the pipe and reaps the middle man.

use std::fs::File;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Runs `work` in a child process, waits for the child, returns how it ended.
///
/// # Errors
/// Those of flushing standard output, pipe(2), fork(2) and waitpid(2).
///
/// # Safety
/// The caller's process has one thread.
pub unsafe fn run_in_child(work: impl FnOnce() -> u8) -> io::Result<Ending> {
    io::stdout().flush()?;
    let (note, pen) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: there is no other thread, as the caller promises.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(note);
            let written = middle(work, File::from(pen));
            end(if written.is_ok() { 0 } else { 1 })
        }
        ForkResult::Parent { child } => {
            drop(pen);
            let mut words = Vec::new();
            File::from(note).read_to_end(&mut words)?;
            wait_for(child)?;
            match words[..] {
                [0, code] => Ok(Ending::Exited(code)),
                [1, signal] => Ok(Ending::Killed(signal.into())),
                _ => Err(io::Error::other(
                    "the process that watched the child has failed",
                )),
            }
        }
    }
}

fn middle(work: impl FnOnce() -> u8, mut pen: File) -> io::Result<()> {
    // SAFETY: a forked child has one thread.
    let words = match unsafe { fork() }? {
        ForkResult::Child => {
            drop(pen);
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(101);
            let _ = io::stdout().flush();
            end(code)
        }
        ForkResult::Parent { child } => match wait_for(child)? {
            WaitStatus::Signaled(_, signal, _) => [1, signal as u8],
            WaitStatus::Exited(_, code) => [0, code as u8],
            _ => return Err(Errno::ECHILD.into()),
        },
    };
    pen.write_all(&words)
}

fn wait_for(child: Pid) -> io::Result<WaitStatus> {
    loop {
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            other => return Ok(other?),
        }
    }
}

fn end(code: u8) -> ! {
    // SAFETY: `_exit` ends the process and touches no memory.
    unsafe { libc::_exit(code.into()) }
}
