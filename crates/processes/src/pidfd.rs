//! Pidfds: file descriptors that refer to processes (man 2 pidfd_open). Unlike
//! a process number, a pidfd never refers to another process later, and `poll`
//! can wait for it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::Signal;
use nix::sys::time::TimeSpec;

use crate::{Ending, Pid, Usage};

/// Opens a pidfd for the process that has this number *now*.
pub(crate) fn open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two numbers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(Errno::result(fd)?).map_err(io::Error::other)?;
    // SAFETY: the call has just returned this descriptor, so no other code owns
    // it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends a signal. Fails with ESRCH once the process is reaped.
pub(crate) fn send(process: &OwnedFd, signal: Signal) -> io::Result<()> {
    send_number(process, signal as i32)
}

/// Whether the process runs, or has ended and is not yet reaped.
pub(crate) fn exists(process: &OwnedFd) -> bool {
    // Signal 0 sends nothing: the kernel only checks whether a signal could be
    // sent.
    let answer = send_number(process, 0);
    answer.err().and_then(|error| error.raw_os_error()) != Some(libc::ESRCH)
}

fn send_number(process: &OwnedFd, signal: i32) -> io::Result<()> {
    let fd = process.as_raw_fd();
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: with a null siginfo the kernel fills it in as kill(2) does. The
    // other arguments are numbers.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, no_info, 0) };
    Errno::result(result)?;
    Ok(())
}

/// Waits until the process has ended, without reaping it. Returns false if the
/// deadline comes first. Signals do not prolong the wait.
pub(crate) fn await_end(process: &OwnedFd, deadline: Option<Instant>) -> io::Result<bool> {
    loop {
        let mut watched = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match ppoll(&mut watched, left.map(TimeSpec::from_duration), None) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Reaps a child that has ended; returns `None` if it has not ended. Fails with
/// ECHILD if the process is not our child or was already reaped.
pub(crate) fn reap(process: &OwnedFd) -> io::Result<Option<(Ending, Usage)>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let flags = libc::WEXITED | libc::WNOHANG;
    // Make the system call directly, because the C library's waitid has no
    // rusage argument.
    // SAFETY: the kernel writes one siginfo and one rusage, both ours.
    let result = unsafe {
        let (kind, fd) = (libc::P_PIDFD, process.as_raw_fd());
        libc::syscall(
            libc::SYS_waitid,
            kind,
            fd,
            info.as_mut_ptr(),
            flags,
            usage.as_mut_ptr(),
        )
    };
    Errno::result(result)?;
    // SAFETY: all zeros is a valid value of both types, and the kernel has
    // either filled them in or left them unchanged.
    let (info, usage) = unsafe { (info.assume_init(), usage.assume_init()) };
    // SAFETY: waitid fills in these members of the union. They stay zero if no
    // child has ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    Ok(Ending::from_siginfo(info.si_code, status).map(|ending| (ending, Usage::from(&usage))))
}
