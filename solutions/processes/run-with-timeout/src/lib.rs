//! Run a program, but not for ever.
//!
//! ```text
//!  caller ── spawn ──▶ program (leads a process group) ──▶ its own children
//!    │ ◀── stdout, stderr ──┘
//!    │ sleeps in ppoll until a pipe has bytes, the program has ended, or the limit is over
//!    └── SIGKILL to the group, reap the program, take what is left in the pipes
//! ```

use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
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

/// Runs `command` in a process group of its own until it ends or `limit` is
/// over, and returns how it ended and what it wrote.
///
/// Whichever comes first, nothing of the group survives the call.
///
/// # Errors
/// Those of [`Command::spawn`], and of each step after it. After an error,
/// nothing of the group runs either.
pub fn run_with_timeout(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    let mut leader = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    // `None` if the clock cannot express the moment: then it never comes.
    let deadline = Instant::now().checked_add(limit);
    let mut streams = [
        Stream::new(leader.stdout.take()),
        Stream::new(leader.stderr.take()),
    ];
    let in_time = read_until_the_end(&leader, &mut streams, deadline);
    // Also after an error.
    let status = end_group(&mut leader);
    let (in_time, status) = (in_time?, status?);
    let [stdout, stderr] = streams.map(Stream::rest);
    Ok(Finished {
        ended: how_it_ended(status, in_time),
        stdout: stdout?,
        stderr: stderr?,
    })
}

/// Reads both streams until the program has ended (true) or the deadline has
/// passed (false).
fn read_until_the_end(
    leader: &Child,
    streams: &mut [Stream; 2],
    deadline: Option<Instant>,
) -> io::Result<bool> {
    let end = descriptor_of(leader)?;
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let (ended, readable) = wait_for_news(&end, streams, left)?;
        if ended {
            return Ok(true);
        }
        // Even if there is more to read: a program that never stops writing
        // must end too.
        if left == Some(Duration::ZERO) {
            return Ok(false);
        }
        for (stream, is_readable) in streams.iter_mut().zip(readable) {
            if is_readable {
                stream.take_available()?;
            }
        }
    }
}

/// Sleeps until the program has ended, one of the streams has bytes or its end,
/// this time is over, or a signal has been handled. Returns whether the program
/// has ended, and which streams are readable.
fn wait_for_news(
    end: &OwnedFd,
    streams: &[Stream; 2],
    time: Option<Duration>,
) -> io::Result<(bool, [bool; 2])> {
    let mut fds = vec![PollFd::new(end.as_fd(), PollFlags::POLLIN)];
    // A pipe that everybody has closed would be ready again and again.
    let open = streams.iter().filter_map(|stream| stream.pipe.as_ref());
    fds.extend(open.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
    match ppoll(&mut fds, time.map(TimeSpec::from_duration), None) {
        Ok(_) => {}
        // The caller of this function knows how much time is left.
        Err(Errno::EINTR) => return Ok((false, [false; 2])),
        Err(errno) => return Err(errno.into()),
    }
    let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(true));
    let ended = ready.next().unwrap_or(false);
    let readable = [0, 1].map(|which: usize| {
        let is_open = streams[which].pipe.is_some();
        is_open && ready.next().unwrap_or(false)
    });
    Ok((ended, readable))
}

/// Kills what still runs of the group, and reaps its leader.
///
/// In this order: until the leader is reaped, no other process or group can get
/// its number.
fn end_group(leader: &mut Child) -> io::Result<ExitStatus> {
    let group = Pid::from_raw(leader.id().cast_signed());
    // An error says that there was nothing to kill.
    let _ = killpg(group, Signal::SIGKILL);
    leader.wait()
}

/// A program that ends between the last look and the kill has ended by itself.
fn how_it_ended(status: ExitStatus, in_time: bool) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, Some(libc::SIGKILL)) if !in_time => Ended::TimedOut,
        (None, signal) => Ended::Killed(signal.unwrap_or_default()),
    }
}

/// Opens a descriptor that becomes readable when this child ends
/// (pidfd_open(2)).
fn descriptor_of(child: &Child) -> io::Result<OwnedFd> {
    // SAFETY: two integers in, a new descriptor or -1 out.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id(), 0) };
    let fd = Errno::result(fd)? as i32;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// One output of the program: its pipe, and what came out of it until now.
struct Stream {
    /// `None` once everybody has closed the other end.
    pipe: Option<PipeReader>,
    bytes: Vec<u8>,
}

impl Stream {
    fn new(pipe: Option<impl Into<OwnedFd>>) -> Self {
        Stream {
            pipe: pipe.map(|pipe| PipeReader::from(pipe.into())),
            bytes: Vec::new(),
        }
    }

    /// Takes what the pipe holds at this moment, and waits for no more.
    fn take_available(&mut self) -> io::Result<()> {
        let Some(pipe) = &self.pipe else {
            return Ok(());
        };
        match bytes_in(pipe)? {
            // It is readable and holds nothing: this is its end.
            0 => self.pipe = None,
            available => {
                pipe.take(available).read_to_end(&mut self.bytes)?;
            }
        }
        Ok(())
    }

    /// Everything that has come out, with what the pipe still holds. Processes
    /// that have left the group may write for ever: what they write from now on
    /// does not count.
    fn rest(mut self) -> io::Result<Vec<u8>> {
        self.take_available()?;
        Ok(self.bytes)
    }
}

/// How many bytes a pipe holds.
fn bytes_in(pipe: &PipeReader) -> io::Result<u64> {
    let mut count: libc::c_int = 0;
    // SAFETY: FIONREAD writes one integer, which outlives the call.
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    Errno::result(result)?;
    Ok(count.unsigned_abs().into())
}
