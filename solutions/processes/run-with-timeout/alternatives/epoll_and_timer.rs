//! Correct in another way: one epoll waits for the two streams, for a pidfd and
//! for a timer (timerfd), and the pipes do not block.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{Signal, killpg};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::Pid;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended itself, with this exit code.
    Exited(i32),
    /// A signal that [`run_with_timeout`] had not sent ended it; this is the
    /// signal's number.
    Killed(i32),
    /// Its time was over, and [`run_with_timeout`] killed it.
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

const OUT: u64 = 0;
const ERR: u64 = 1;
const END: u64 = 2;
const TIME: u64 = 3;

/// Longer than any computer runs: a timer for it is not needed.
const FOREVER: Duration = Duration::from_secs(1 << 33);

/// How much to read before the other stream has its turn.
const ROOM: usize = 1 << 20;

/// Runs `command` until it ends or `limit` is over.
///
/// # Errors
/// Those of all calls.
pub fn run_with_timeout(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    // What can fail before the start, fails before the start.
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
    epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIME))?;
    if limit < FOREVER {
        // A timer of 0 would never expire.
        let time = TimeSpec::from_duration(limit.max(Duration::from_nanos(1)));
        timer.set(Expiration::OneShot(time), TimerSetTimeFlags::empty())?;
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.process_group(0).spawn()?;
    let collected = collect(&mut child, &epoll);
    let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
    let status = child.wait()?;
    let (in_time, mut files, mut outputs) = collected?;
    for (file, output) in files.iter_mut().zip(&mut outputs) {
        // The program may have made its pipe larger.
        let room = fcntl(&*file, FcntlArg::F_GETPIPE_SZ)?;
        take(file, output, room as usize)?;
    }
    let [stdout, stderr] = outputs;
    let ended = match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(libc::SIGKILL)) if !in_time => Ended::TimedOut,
        (None, signal) => Ended::Killed(signal.unwrap_or(0)),
    };
    Ok(Finished {
        ended,
        stdout,
        stderr,
    })
}

type Collected = (bool, [File; 2], [Vec<u8>; 2]);

fn collect(child: &mut Child, epoll: &Epoll) -> io::Result<Collected> {
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(ErrorKind::BrokenPipe.into());
    };
    let mut files = [
        File::from(OwnedFd::from(stdout)),
        File::from(OwnedFd::from(stderr)),
    ];
    let mut outputs = [Vec::new(), Vec::new()];
    for (file, name) in files.iter().zip([OUT, ERR]) {
        let flags = OFlag::from_bits_retain(fcntl(file, FcntlArg::F_GETFL)?);
        fcntl(file, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        epoll.add(file, EpollEvent::new(EpollFlags::EPOLLIN, name))?;
    }
    // SAFETY: two integers in, a new descriptor or -1 out.
    let end = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) })?;
    // SAFETY: the kernel has just made it.
    let end = unsafe { OwnedFd::from_raw_fd(end as i32) };
    epoll.add(end.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, END))?;
    loop {
        let mut events = [EpollEvent::empty(); 4];
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let has = |name| events[..count].iter().any(|event| event.data() == name);
        if has(END) || has(TIME) {
            return Ok((has(END), files, outputs));
        }
        for name in [OUT, ERR] {
            let which = name as usize;
            if has(name) && !take(&mut files[which], &mut outputs[which], ROOM)? {
                epoll.delete(&files[which])?;
            }
        }
    }
}

/// Reads what is there, at most about so much. False at the end of the stream.
fn take(file: &mut File, output: &mut Vec<u8>, most: usize) -> io::Result<bool> {
    let mut chunk = [0; 1 << 12];
    let full = output.len() + most;
    while output.len() < full {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(false),
            Ok(length) => output.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
