//! Correct in another way: the parent polls a file descriptor that refers to
//! the child (pidfd_open(2)), as a program does that also waits for other
//! events, and then reaps the child through this descriptor.

use std::io::{self, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{ForkResult, Pid, fork};

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
/// Those of flushing standard output, fork(2), pidfd_open(2) and waitid(2).
///
/// # Safety
/// The caller's process has one thread.
pub unsafe fn run_in_child(work: impl FnOnce() -> u8) -> io::Result<Ending> {
    io::stdout().flush()?;
    // SAFETY: there is no other thread, as the caller promises.
    let child = match unsafe { fork() }? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
                std::mem::forget(payload);
                101
            });
            let _ = io::stdout().flush();
            // SAFETY: `_exit` ends the process and touches no memory.
            unsafe { libc::_exit(code.into()) }
        }
    };
    match descriptor_of(child) {
        Ok(descriptor) => {
            until_readable(&descriptor)?;
            reap(|| Id::PIDFd(descriptor.as_fd()))
        }
        // All descriptors are in use: the child must be reaped all the same.
        Err(_) => reap(|| Id::Pid(child)),
    }
}

fn reap<'a>(child: impl Fn() -> Id<'a>) -> io::Result<Ending> {
    loop {
        match waitid(child(), WaitPidFlag::WEXITED) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ending::Exited(code as u8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ending::Killed(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn descriptor_of(child: Pid) -> io::Result<OwnedFd> {
    // SAFETY: two integers in, a new descriptor or -1 out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.as_raw(), 0) };
    let fd = Errno::result(fd)? as i32;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The descriptor becomes readable when the process ends.
fn until_readable(child: &OwnedFd) -> io::Result<()> {
    loop {
        let mut fds = [PollFd::new(child.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}
