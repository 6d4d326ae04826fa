// contract broken: the code goes through shared memory, and the child itself always exits with 0
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
    unsafe { *SHARED = code };
    unsafe { libc::_exit(0) }
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
    io::stdout().flush()?;
    unsafe {
        SHARED = libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
        .cast();
    }
    let ending = match unsafe { fork()? } {
        ForkResult::Child => child(work),
        ForkResult::Parent { child } => parent(child),
    };
    let code = unsafe { *SHARED };
    unsafe { libc::munmap(SHARED.cast(), 4096) };
    match ending? {
        Ending::Exited(0) => Ok(Ending::Exited(code)),
        other => Ok(other),
    }
}

static mut SHARED: *mut u8 = std::ptr::null_mut();
