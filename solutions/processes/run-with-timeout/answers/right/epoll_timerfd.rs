// libc only: `epoll` on a pidfd, a timerfd and two non-blocking pipes; reads are bounded by F_GETPIPE_SZ.
#![allow(unused_imports, dead_code)]
use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::ptr;
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::time::TimeSpec;
use nix::unistd::Pid;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended itself, with this exit code.
    Exited(i32),
    /// A signal that the call had not sent ended it.
    Killed(i32),
    /// Its time was over, and the call killed it.
    TimedOut,
}

/// What is left of a program that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

pub fn run_with_timeout(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let pid = child.id() as i32;
    let pipes: [OwnedFd; 2] = [child.stdout.take().unwrap().into(), child.stderr.take().unwrap().into()];
    let mut bytes = [Vec::new(), Vec::new()];
    let watched = watch(pid, &pipes, &mut bytes, limit);
    // SAFETY: no memory is passed. The program is not reaped yet.
    let killed = check(unsafe { libc::kill(-pid, libc::SIGKILL) });
    let mut status = 0;
    let waited = loop {
        // SAFETY: `status` is valid.
        let result = check(unsafe { libc::waitpid(pid, &mut status, 0) });
        match result {
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => continue,
            other => break other,
        }
    };
    let ended_in_time = watched?;
    killed?;
    waited?;
    for (pipe, bytes) in pipes.iter().zip(&mut bytes) {
        read_available(pipe, bytes)?;
    }
    let ended = if libc::WIFEXITED(status) {
        Ended::Exited(libc::WEXITSTATUS(status))
    } else if libc::WTERMSIG(status) == libc::SIGKILL && !ended_in_time {
        Ended::TimedOut
    } else {
        Ended::Killed(libc::WTERMSIG(status))
    };
    let [stdout, stderr] = bytes;
    Ok(Finished { ended, stdout, stderr })
}

/// Reads what is there, at most as much as the pipe can hold. `Ok(true)`: the stream has its end.
fn read_available(pipe: &OwnedFd, bytes: &mut Vec<u8>) -> io::Result<bool> {
    let size = check(unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_GETPIPE_SZ) })? as usize;
    let mut buffer = [0u8; 16384];
    let mut done = 0;
    while done < size {
        let want = buffer.len().min(size - done);
        // SAFETY: the buffer has room for `want` bytes.
        let n = unsafe { libc::read(pipe.as_raw_fd(), buffer.as_mut_ptr().cast(), want) };
        if n > 0 {
            bytes.extend_from_slice(&buffer[..n as usize]);
            done += n as usize;
        } else if n == 0 {
            return Ok(true);
        } else {
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => continue,
                Some(libc::EAGAIN) => return Ok(false),
                _ => return Err(error),
            }
        }
    }
    Ok(false)
}

fn watch(pid: i32, pipes: &[OwnedFd; 2], bytes: &mut [Vec<u8>; 2], limit: Duration) -> io::Result<bool> {
    for pipe in pipes {
        let flags = check(unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_GETFL) })?;
        check(unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    }
    if limit.is_zero() {
        return has_ended(pid);
    }
    let pidfd = pidfd_open(pid)?;
    let epoll = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
    let timer = unsafe { OwnedFd::from_raw_fd(check(libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC))?) };
    if let Ok(seconds) = libc::time_t::try_from(limit.as_secs()) {
        let mut spec: libc::itimerspec = unsafe { mem::zeroed() };
        spec.it_value = libc::timespec { tv_sec: seconds, tv_nsec: limit.subsec_nanos().into() };
        check(unsafe { libc::timerfd_settime(timer.as_raw_fd(), 0, &spec, ptr::null_mut()) })?;
    }
    for (number, fd) in [&pipes[0], &pipes[1], &pidfd, &timer].into_iter().enumerate() {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number as u64 };
        check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd.as_raw_fd(), &mut event) })?;
    }
    loop {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 4];
        let n = match check(unsafe { libc::epoll_wait(epoll.as_raw_fd(), events.as_mut_ptr(), 4, -1) }) {
            Ok(n) => n as usize,
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => continue,
            Err(error) => return Err(error),
        };
        let numbers: Vec<usize> = events[..n].iter().map(|event| event.u64 as usize).collect();
        if numbers.contains(&2) {
            return Ok(true);
        }
        if numbers.contains(&3) {
            return has_ended(pid);
        }
        for number in numbers {
            if read_available(&pipes[number], &mut bytes[number])? {
                check(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_DEL, pipes[number].as_raw_fd(), ptr::null_mut()) })?;
            }
        }
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers; a new descriptor belongs to nobody else.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Whether the child is a zombie now; does not reap it and never waits.
fn has_ended(pid: i32) -> io::Result<bool> {
    loop {
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: `info` is valid for the call.
        if unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, flags) } == 0 {
            return Ok(unsafe { info.si_pid() } == pid);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
