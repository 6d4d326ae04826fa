//! Correct in another way: the caller polls without a limit of time, and another
//! thread, the watchdog, kills the group when the limit is over. The pipes are
//! std's own (`std::io::pipe`), and the caller looks at the end of the program
//! through a thread that closes a pipe.

use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
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

/// Runs `command` until it ends or `limit` is over.
///
/// # Errors
/// Those of making pipes, and of starting the program and the threads.
pub fn run_with_timeout(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    let (stdout, out) = pipe()?;
    let (stderr, err) = pipe()?;
    let (end, ends) = pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0);
    let spawned = command.spawn();
    // The command owns the write ends: without this they would stay open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawned?;
    let program = Pid::from_raw(child.id() as i32);
    let over = Instant::now().checked_add(limit);
    let (done, bell) = (Mutex::new(false), Condvar::new());
    let has_timed_out = AtomicBool::new(false);
    let kill = || drop(killpg(program, Signal::SIGKILL));

    let read = thread::scope(|scope| {
        let waiter = thread::Builder::new().spawn_scoped(scope, move || {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
            while waitid(Id::Pid(program), flags) == Err(Errno::EINTR) {}
            drop(ends);
        });
        let watchdog = waiter.and_then(|_| {
            let watch = || {
                let mut is_done = done.lock().unwrap_or_else(PoisonError::into_inner);
                while !*is_done {
                    let Some(over) = over else {
                        is_done = bell.wait(is_done).unwrap_or_else(PoisonError::into_inner);
                        continue;
                    };
                    let left = over.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        if is_running(program) {
                            has_timed_out.store(true, Ordering::Relaxed);
                            kill();
                        }
                        return;
                    }
                    let waited = bell.wait_timeout(is_done, left);
                    is_done = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            };
            thread::Builder::new().spawn_scoped(scope, watch)
        });
        let read = watchdog.and_then(|_| read_until(&end, [stdout, stderr]));
        *done.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
        // Also those that the program has left, and the program after an error.
        kill();
        read
    });
    let status = child.wait()?;
    let (pipes, mut outputs) = read?;
    for (pipe, output) in pipes.iter().zip(&mut outputs) {
        let mut count: libc::c_int = 0;
        // SAFETY: writes one integer.
        Errno::result(unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) })?;
        pipe.take(count as u64).read_to_end(output)?;
    }
    let [stdout, stderr] = outputs;
    let timed_out = has_timed_out.into_inner() && status.signal() == Some(libc::SIGKILL);
    let ended = match status.code() {
        _ if timed_out => Ended::TimedOut,
        Some(code) => Ended::Exited(code),
        None => Ended::Killed(status.signal().unwrap_or(0)),
    };
    Ok(Finished {
        ended,
        stdout,
        stderr,
    })
}

fn is_running(child: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    waitid(Id::Pid(child), flags) == Ok(WaitStatus::StillAlive)
}

type Outputs = ([PipeReader; 2], [Vec<u8>; 2]);

/// Reads both until the writer of `end` has closed it.
fn read_until(end: &PipeReader, pipes: [PipeReader; 2]) -> io::Result<Outputs> {
    let mut outputs = [Vec::new(), Vec::new()];
    let mut is_open = [true, true];
    let mut chunk = vec![0; 1 << 16];
    loop {
        let mut which = vec![];
        let mut fds = vec![PollFd::new(end.as_fd(), PollFlags::POLLIN)];
        for number in (0..2).filter(|number| is_open[*number]) {
            which.push(number);
            fds.push(PollFd::new(pipes[number].as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any() == Some(true)).collect();
        drop(fds);
        if ready[0] {
            return Ok((pipes, outputs));
        }
        for (number, is_ready) in which.into_iter().zip(&ready[1..]) {
            if *is_ready {
                let length = (&pipes[number]).read(&mut chunk)?;
                outputs[number].extend_from_slice(&chunk[..length]);
                is_open[number] = length > 0;
            }
        }
    }
}
