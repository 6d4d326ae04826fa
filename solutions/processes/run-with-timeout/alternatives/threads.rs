//! Correct in another way: two threads read the streams, a third one waits for
//! the end of the program, and the caller waits for a message of the third, with
//! a limit of time. A pipe that the caller closes tells the readers to stop.

use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
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

/// Runs `command` until it ends or `limit` is over.
///
/// # Errors
/// Those of starting the program, of making a pipe, and of starting threads.
pub fn run_with_timeout(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    let (until, stop) = pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.process_group(0).spawn()?;
    let group = Pid::from_raw(child.id() as i32);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (says, hears) = mpsc::channel();
    thread::scope(|scope| {
        let start = |reader| thread::Builder::new().spawn_scoped(scope, reader);
        let until = &until;
        let stdout = start(Box::new(move || read(stdout, until)) as Box<dyn FnOnce() -> _ + Send>);
        let stderr = start(Box::new(move || read(stderr, until)));
        let waits = thread::Builder::new().spawn_scoped(scope, move || {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while waitid(Id::Pid(group), flags) == Err(Errno::EINTR) {}
            says.send(())
        });
        let all_started = stdout.is_ok() && stderr.is_ok() && waits.is_ok();
        // The program may have ended while nobody looked.
        let in_time = all_started && (hears.recv_timeout(limit).is_ok() || has_ended(group));
        let _ = killpg(group, Signal::SIGKILL);
        // Not reaped before the last waiter has seen it.
        let waited = waits.map(ScopedJoinHandle::join).map(|_| ());
        let status = child.wait();
        drop(stop);
        let outputs = [stdout, stderr].map(|reader| match reader?.join() {
            Ok(bytes) => bytes,
            Err(_) => Err(io::ErrorKind::Other.into()),
        });
        waited?;
        let status = status?;
        let [stdout, stderr] = outputs;
        let ended = match (status.code(), status.signal()) {
            (Some(code), _) => Ended::Exited(code),
            (None, Some(libc::SIGKILL)) if !in_time => Ended::TimedOut,
            (None, signal) => Ended::Killed(signal.unwrap_or(0)),
        };
        Ok(Finished {
            ended,
            stdout: stdout?,
            stderr: stderr?,
        })
    })
}

fn has_ended(child: Pid) -> bool {
    use nix::sys::wait::WaitStatus::{Exited, Signaled};
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    matches!(waitid(Id::Pid(child), flags), Ok(Exited(..) | Signaled(..)))
}

/// Reads until the end of the stream, or until `stop` is closed and nothing is
/// left.
fn read(stream: Option<impl Into<OwnedFd>>, stop: &PipeReader) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(stream) = stream else {
        return Ok(bytes);
    };
    let mut stream = PipeReader::from(stream.into());
    let mut chunk = vec![0; 1 << 16];
    loop {
        let mut fds = [stop.as_fd(), stream.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        if fds[0].any() == Some(true) {
            return rest(stream, bytes);
        }
        match stream.read(&mut chunk)? {
            0 => return Ok(bytes),
            length => bytes.extend_from_slice(&chunk[..length]),
        }
    }
}

/// What is in the pipe now.
fn rest(stream: PipeReader, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut count: libc::c_int = 0;
    // SAFETY: writes one integer.
    Errno::result(unsafe { libc::ioctl(stream.as_raw_fd(), libc::FIONREAD, &raw mut count) })?;
    stream.take(count as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
