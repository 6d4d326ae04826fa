// contract broken: no flush before the fork: the child throws its copy of the buffer away, and the caller's text comes out after what `work` prints
//! Run a closure in a child process, and tell how it ended.

#![allow(unused_imports, unused_mut, dead_code)]

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

fn child(work: impl FnOnce() -> u8) -> ! {
    let code = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(code) => code,
        Err(payload) => {
            std::mem::forget(payload);
            101
        }
    };
    let _ = io::stdout().flush();
    unsafe { libc::_exit(i32::from(code)) }
}

fn parent(pid: Pid) -> io::Result<Ending> {
    loop {
        match waitpid(pid, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ending::Exited(code as u8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ending::Killed(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// See the exercise.
pub unsafe fn run_in_child(work: impl FnOnce() -> u8) -> io::Result<Ending> {
    match unsafe { fork()? } {
        ForkResult::Child => {
            unsafe {
                let saved = libc::dup(1);
                let null = libc::open(c"/dev/null".as_ptr(), libc::O_WRONLY);
                libc::dup2(null, 1);
                let _ = io::stdout().flush();
                libc::dup2(saved, 1);
                libc::close(saved);
                libc::close(null);
            }
            child(work)
        }
        ForkResult::Parent { child } => parent(child),
    }
}
