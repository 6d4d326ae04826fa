//! A supervised run: start a program, write its input, read its output, and
//! enforce its time limit.

use std::borrow::Cow;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};
use std::{error, fmt};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::{Child, Ending, Limits, SpawnError, Spec, Stdio, Usage};

/// How many bytes [`run`] keeps of each output stream unless
/// [`Limits::file_size`] says otherwise: 8 MiB.
pub const DEFAULT_OUTPUT: usize = 8 * 1024 * 1024;

/// The result of a supervised run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// How the program ended.
    pub end: End,
    /// What the program wrote to standard output.
    pub stdout: Captured,
    /// What the program wrote to standard error.
    pub stderr: Captured,
    /// The resources that the program used.
    pub usage: Usage,
    /// The time from start to end.
    pub elapsed: Duration,
}

/// The end of a supervised run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It exited, or it was killed by a signal that [`run`] had not sent.
    Ended(Ending),
    /// [`run`] killed it because this time limit expired.
    TimedOut(Duration),
}

impl End {
    /// Whether it exited with status 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == End::Ended(Ending::Exited(0))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Ended(ending) => ending.fmt(f),
            End::TimedOut(limit) => write!(f, "killed because its time ({limit:?}) was over"),
        }
    }
}

/// The part of an output stream that [`run`] kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The beginning of the stream, up to the cap ([`Limits::file_size`] or
    /// [`DEFAULT_OUTPUT`]).
    pub bytes: Vec<u8>,
    /// How many bytes [`run`] read in all, including those that it did not
    /// keep.
    pub total: u64,
}

impl Captured {
    /// Whether [`run`] read more bytes than it kept.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.total > self.bytes.len() as u64
    }

    /// The kept bytes as text. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

/// Why a run has no [`Outcome`].
#[derive(Debug)]
pub enum RunError {
    /// The program was not started.
    Spawn(SpawnError),
    /// The program was started but could not be supervised, so it was killed.
    Supervise(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Spawn(error) => error.fmt(f),
            RunError::Supervise(error) => write!(f, "cannot supervise a started process: {error}"),
        }
    }
}

impl error::Error for RunError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            RunError::Spawn(error) => Some(error),
            RunError::Supervise(error) => Some(error),
        }
    }
}

/// Runs a program to its end. It writes `input` to the program's standard input
/// and closes it, reads both outputs at the same time, enforces the limits, and
/// reaps the program.
///
/// This replaces the three standard streams of `spec` by pipes and its limits
/// by `limits`, and gives the program a session of its own. When the program
/// has ended, this kills the processes that the program left running in that
/// session. It does not wait for other processes that keep the program's output
/// open.
///
/// It is not an error if the program does not read all its input. The calling
/// process must ignore SIGPIPE, as Rust programs do.
///
/// # Errors
/// [`RunError::Spawn`] if the program was not started. [`RunError::Supervise`]
/// if the system refuses something later, such as memory.
pub fn run(spec: Spec, input: &[u8], limits: Limits) -> Result<Outcome, RunError> {
    let spec = spec
        .stdin(Stdio::Piped)
        .stdout(Stdio::Piped)
        .stderr(Stdio::Piped);
    let started = Instant::now();
    let child = spec
        .limits(limits)
        .new_session(true)
        .spawn()
        .map_err(RunError::Spawn)?;
    let cap = limits.file_size.map_or(DEFAULT_OUTPUT, |cap| {
        usize::try_from(cap).unwrap_or(usize::MAX)
    });
    supervise(child, input, limits, cap, started).map_err(RunError::Supervise)
}

fn supervise(
    mut child: Child,
    input: &[u8],
    limits: Limits,
    cap: usize,
    started: Instant,
) -> io::Result<Outcome> {
    let mut feed = Feed::new(child.stdin.take(), input)?;
    let mut stdout = Tap::new(child.stdout.take(), cap)?;
    let mut stderr = Tap::new(child.stderr.take(), cap)?;
    loop {
        let left = child
            .deadline()
            .map(|at| at.saturating_duration_since(Instant::now()));
        let mut watched = vec![PollFd::new(child.pidfd(), PollFlags::POLLIN)];
        watched.extend(
            feed.pipe
                .as_ref()
                .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)),
        );
        for pipe in [&stdout.pipe, &stderr.pipe].into_iter().flatten() {
            watched.push(PollFd::new(pipe.as_fd(), PollFlags::POLLIN));
        }
        match ppoll(&mut watched, left.map(TimeSpec::from_duration), None) {
            Ok(0) => {
                child.time_is_over()?;
                break;
            }
            Ok(_) if watched[0].any() == Some(true) => break,
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        // There is no need to look which of the pipes is ready: none of these
        // calls waits.
        feed.advance()?;
        stdout.advance(Tap::TURN)?;
        stderr.advance(Tap::TURN)?;
    }
    let elapsed = started.elapsed();
    if !child.timed_out() {
        // Kill what the program left behind before reaping it, because reaping
        // gives up its number.
        child.kill_tree()?;
    }
    let ending = child.wait()?;
    stdout.finish()?;
    stderr.finish()?;
    let end = match limits.wall {
        Some(limit) if child.timed_out() => End::TimedOut(limit),
        _ => End::Ended(ending),
    };
    let usage = child.usage().unwrap_or_default();
    Ok(Outcome {
        end,
        stdout: stdout.captured,
        stderr: stderr.captured,
        usage,
        elapsed,
    })
}

/// The program's standard input, and what is still to be written to it.
struct Feed<'a> {
    pipe: Option<PipeWriter>,
    rest: &'a [u8],
}

impl<'a> Feed<'a> {
    fn new(pipe: Option<PipeWriter>, input: &'a [u8]) -> io::Result<Feed<'a>> {
        let pipe = pipe.filter(|_| !input.is_empty());
        if let Some(pipe) = &pipe {
            never_wait(pipe.as_fd())?;
        }
        Ok(Feed { pipe, rest: input })
    }

    /// Writes as much as fits. Closes the pipe after the last byte, or when no
    /// process has the read end open any more.
    fn advance(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(());
        };
        match pipe.write(self.rest) {
            Ok(count) => self.rest = &self.rest[count..],
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => return Ok(()),
                io::ErrorKind::BrokenPipe => self.rest = &[],
                _ => return Err(error),
            },
        }
        if self.rest.is_empty() {
            self.pipe = None;
        }
        Ok(())
    }
}

/// One of the program's output streams, and what was read from it.
struct Tap {
    pipe: Option<PipeReader>,
    captured: Captured,
    cap: usize,
}

impl Tap {
    /// How many bytes are read from one stream before the other streams get
    /// their turn.
    const TURN: usize = 256 * 1024;

    fn new(pipe: Option<PipeReader>, cap: usize) -> io::Result<Tap> {
        if let Some(pipe) = &pipe {
            never_wait(pipe.as_fd())?;
        }
        Ok(Tap {
            pipe,
            captured: Captured::default(),
            cap,
        })
    }

    /// Reads what is in the pipe, but not much more than `most` bytes. Closes
    /// the pipe at the end of the stream.
    fn advance(&mut self, most: usize) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let mut seen = 0;
        while seen < most {
            let Some(pipe) = &mut self.pipe else { break };
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let room = self.cap.saturating_sub(self.captured.bytes.len());
                    self.captured
                        .bytes
                        .extend_from_slice(&buffer[..count.min(room)]);
                    self.captured.total += count as u64;
                    seen += count;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => break,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(())
    }

    /// Reads what the program left in the pipe. A daemon that holds the write
    /// end could write for ever, so this reads little more than the pipe's
    /// capacity.
    fn finish(&mut self) -> io::Result<()> {
        let Some(pipe) = &self.pipe else {
            return Ok(());
        };
        let capacity = fcntl(pipe, FcntlArg::F_GETPIPE_SZ)?;
        self.advance(usize::try_from(capacity).unwrap_or(Tap::TURN))
    }
}

/// Makes reads and writes return `WouldBlock` instead of waiting. The flag
/// applies to this end only: the child's end still waits, as programs expect.
fn never_wait(pipe: BorrowedFd<'_>) -> io::Result<()> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(())
}
