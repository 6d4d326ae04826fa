//! Correct but slow: the parent never blocks in waitpid. It asks with WNOHANG
//! whether the child has ended, sleeps for 2 ms and asks again.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nix::libc;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
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
    match unsafe { fork() }? {
        ForkResult::Child => {
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
                // Its destructor may panic, and nothing would catch that.
                std::mem::forget(payload);
                101
            });
            let _ = io::stdout().flush();
            // SAFETY: `_exit` ends the process and touches no memory.
            unsafe { libc::_exit(i32::from(code)) }
        }
        ForkResult::Parent { child } => loop {
            match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::Exited(_, code) => break Ok(Ending::Exited(code as u8)),
                WaitStatus::Signaled(_, signal, _) => break Ok(Ending::Killed(signal as i32)),
                _ => std::thread::sleep(Duration::from_millis(2)),
            }
        },
    }
}
