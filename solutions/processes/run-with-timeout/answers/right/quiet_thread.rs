// All the work after the start is done by one helper thread that has all signals blocked; the caller's thread joins it, and runs the handlers.
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
    let deadline = Instant::now().checked_add(limit);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let pid = child.id() as i32;
    let mut streams = [
        Stream::new(child.stdout.take().expect("stdout is a pipe")),
        Stream::new(child.stderr.take().expect("stderr is a pipe")),
    ];
    let watched = thread::scope(|scope| {
        // A new thread has the mask of its maker.
        let mut old: libc::sigset_t = unsafe { mem::zeroed() };
        unsafe {
            let mut all: libc::sigset_t = mem::zeroed();
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut old);
        }
        let helper = thread::Builder::new().spawn_scoped(scope, || watch(pid, &mut streams, deadline));
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &old, ptr::null_mut()) };
        helper?.join().unwrap_or_else(|_| Err(io::Error::other("panic")))
    });
    let killed = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    let waited = child.wait();
    let in_time = watched?;
    killed?;
    let status = waited?;
    for stream in &mut streams {
        if stream.open {
            stream.take()?;
        }
    }
    let ended = verdict(status, in_time);
    let [stdout, stderr] = streams;
    Ok(Finished { ended, stdout: stdout.bytes, stderr: stderr.bytes })
}

/// Reads until the program has ended (`true`) or the limit is over (`false`).
fn watch(pid: i32, streams: &mut [Stream; 2], deadline: Option<Instant>) -> io::Result<bool> {
    let pidfd = pidfd_open(pid)?;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let over = left == Some(Duration::ZERO);
        let mut fds = vec![PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
        let mut numbers = Vec::new();
        for (number, stream) in streams.iter().enumerate() {
            if stream.open {
                fds.push(PollFd::new(stream.file.as_fd(), PollFlags::POLLIN));
                numbers.push(number);
            }
        }
        match ppoll(&mut fds, left.map(TimeSpec::from), None) {
            Ok(_) => {}
            // With signals without end, `ppoll` could fail each time.
            Err(Errno::EINTR) if over => return has_ended(pid),
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        drop(fds);
        if ready[0] {
            return Ok(true);
        }
        if over {
            return Ok(false);
        }
        for (position, &number) in numbers.iter().enumerate() {
            if ready[position + 1] && streams[number].take()? == 0 {
                streams[number].open = false;
            }
        }
    }
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

struct Stream {
    file: File,
    open: bool,
    bytes: Vec<u8>,
}

impl Stream {
    fn new(fd: impl Into<OwnedFd>) -> Stream {
        Stream { file: File::from(fd.into()), open: true, bytes: Vec::new() }
    }

    /// How many bytes the pipe holds now.
    fn count(&self) -> io::Result<usize> {
        let mut count: libc::c_int = 0;
        // SAFETY: FIONREAD writes one int.
        if unsafe { libc::ioctl(self.file.as_raw_fd(), libc::FIONREAD, &mut count) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(count as usize)
    }

    /// Takes the bytes that the pipe holds now, and returns their number.
    fn take(&mut self) -> io::Result<usize> {
        let count = self.count()?;
        let start = self.bytes.len();
        self.bytes.resize(start + count, 0);
        self.file.read_exact(&mut self.bytes[start..])?;
        Ok(count)
    }
}

fn verdict(status: ExitStatus, in_time: bool) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(libc::SIGKILL)) if !in_time => Ended::TimedOut,
        (None, signal) => Ended::Killed(signal.unwrap_or(0)),
    }
}
