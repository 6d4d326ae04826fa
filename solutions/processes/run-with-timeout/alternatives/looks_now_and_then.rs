//! Correct in another way, and slower to notice: there is no pidfd. The caller
//! waits for the streams, a millisecond at first and later up to 60 ms, and after each wait it asks
//! whether the program has ended.

use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
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

/// The longest pause: sixteen looks in a second.
const PAUSE: Duration = Duration::from_millis(60);

/// Runs `command` until it ends or `limit` is over.
///
/// # Errors
/// Those of starting the program, of reading, and of waiting.
pub fn run_with_timeout(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    let start = Instant::now();
    command.process_group(0).stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let program = Pid::from_raw(child.id() as i32);
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        unreachable!("both are piped")
    };
    let (mut out, mut err) = (Some(Vec::new()), Some(Vec::new()));
    let (mut done_out, mut done_err) = (Vec::new(), Vec::new());
    let mut longest = Duration::from_millis(1);
    let watched = loop {
        let over = start.elapsed() >= limit;
        match has_ended(program) {
            Ok(true) => break Ok(true),
            Ok(false) if over => break Ok(false),
            Ok(false) => {}
            Err(error) => break Err(error),
        }
        // Not longer than the rest of the limit, rounded up.
        let left = limit.saturating_sub(start.elapsed()).min(longest);
        longest = (longest * 2).min(PAUSE);
        let pause = PollTimeout::from(left.as_millis() as u8 + 1);
        let mut fds = Vec::new();
        let flags = PollFlags::POLLIN;
        fds.extend(out.is_some().then(|| PollFd::new(stdout.as_fd(), flags)));
        fds.extend(err.is_some().then(|| PollFd::new(stderr.as_fd(), flags)));
        if poll(&mut fds, pause).is_err() {
            continue;
        }
        let mut ready = fds.iter().map(|fd| fd.any() == Some(true));
        let out_is_ready = out.is_some() && ready.next() == Some(true);
        let err_is_ready = err.is_some() && ready.next() == Some(true);
        drop(ready);
        if out_is_ready && !more(&mut stdout, &mut out, &mut done_out) {
            done_out = out.take().unwrap_or_default();
        }
        if err_is_ready && !more(&mut stderr, &mut err, &mut done_err) {
            done_err = err.take().unwrap_or_default();
        }
    };
    let _ = killpg(program, Signal::SIGKILL);
    let status = child.wait()?;
    let in_time = watched?;
    for (bytes, done) in [(&mut out, &mut done_out), (&mut err, &mut done_err)] {
        if let Some(bytes) = bytes.take() {
            *done = bytes;
        }
    }
    rest(&mut stdout, &mut done_out)?;
    rest(&mut stderr, &mut done_err)?;
    let ended = match status.code() {
        Some(code) => Ended::Exited(code),
        None if !in_time && status.signal() == Some(9) => Ended::TimedOut,
        None => Ended::Killed(status.signal().unwrap_or(0)),
    };
    Ok(Finished {
        ended,
        stdout: done_out,
        stderr: done_err,
    })
}

fn has_ended(child: Pid) -> io::Result<bool> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    match waitid(Id::Pid(child), flags) {
        Ok(status) => Ok(status != WaitStatus::StillAlive),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads once. False at the end of the stream.
fn more(stream: &mut impl Read, bytes: &mut Option<Vec<u8>>, _: &mut Vec<u8>) -> bool {
    let mut chunk = [0; 1 << 15];
    match (stream.read(&mut chunk), bytes) {
        (Ok(0), _) | (_, None) => false,
        (Ok(length), Some(bytes)) => {
            bytes.extend_from_slice(&chunk[..length]);
            true
        }
        (Err(_), _) => true,
    }
}

fn rest(stream: &mut (impl Read + AsFd), bytes: &mut Vec<u8>) -> io::Result<()> {
    let count = waiting(stream.as_fd())?;
    stream.take(count).read_to_end(bytes)?;
    Ok(())
}

fn waiting(pipe: BorrowedFd<'_>) -> io::Result<u64> {
    let mut count: libc::c_int = 0;
    // SAFETY: writes one integer.
    Errno::result(unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) })?;
    Ok(count as u64)
}
