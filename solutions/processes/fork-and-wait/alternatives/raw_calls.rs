//! Correct in another way: it calls libc directly, and std's `ExitStatus` takes
//! the status apart. If `work` panics, the destructor of a local value ends the
//! child, without `catch_unwind`.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::libc;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Ends the process when it is dropped, with 101 unless told otherwise: so
/// neither a `return` nor a panic gets past it.
struct Border(u8);

impl Drop for Border {
    fn drop(&mut self) {
        let _ = io::stdout().flush();
        // SAFETY: `_exit` ends the process and touches no memory.
        unsafe { libc::_exit(self.0.into()) }
    }
}

/// Runs `work` in a child process, waits for the child and returns how it ended.
///
/// # Errors
/// Those of flushing standard output, fork(2) and waitpid(2).
///
/// # Safety
/// The caller's process has one thread.
pub unsafe fn run_in_child(work: impl FnOnce() -> u8) -> io::Result<Ending> {
    io::stdout().flush()?;
    // SAFETY: there is no other thread, as the caller promises.
    let child = unsafe { libc::fork() };
    match child {
        -1 => return Err(io::Error::last_os_error()),
        0 => {
            let mut border = Border(101);
            border.0 = work();
            drop(border);
        }
        _ => {}
    }
    let mut status = 0;
    // SAFETY: the pointer is to an integer that outlives the call.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } == -1 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let status = ExitStatus::from_raw(status);
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(Ending::Exited(code as u8)),
        (None, Some(signal)) => Ok(Ending::Killed(signal)),
        (None, None) => Err(io::Error::other(format!(
            "the child has not ended: {status}"
        ))),
    }
}
