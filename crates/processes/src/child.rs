//! A started process, until it is reaped.

use crate::end::{self, Identity};
use crate::proc::{self, Stat};
use crate::{Ending, Pid, Signal, Usage, pidfd};
use std::collections::HashSet;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// A started process. Dropping it kills it with all that it started
/// ([`kill_tree`](Child::kill_tree)) and reaps it: none outlives its owner,
/// except a setuid program, which an ordinary user may not kill.
///
/// ```
/// use processes::{Ending, Signal, Spec};
/// let mut child = Spec::new("sleep").arg("1000").spawn()?;
/// child.signal(Signal::SIGTERM)?;
/// assert_eq!(child.wait()?.to_string(), "killed by signal 15 (SIGTERM)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// All waiting is done on a pidfd: it takes no CPU time, goes on after EINTR,
/// and needs no SIGCHLD handler. Nobody else may wait for this process: after
/// a `wait(-1)` elsewhere in the program, or with SIGCHLD ignored, its ending
/// is lost, which the waiting calls report as an error.
#[derive(Debug)]
pub struct Child {
    /// The write end of its standard input, if that was [`Piped`](crate::Stdio::Piped).
    pub stdin: Option<PipeWriter>,
    /// The read end of its standard output, if that was piped.
    pub stdout: Option<PipeReader>,
    /// The read end of its standard error, if that was piped.
    pub stderr: Option<PipeReader>,
    pid: Pid,
    pidfd: OwnedFd,
    /// When its wall-clock limit is over.
    deadline: Option<Instant>,
    leads_session: bool,
    fate: Fate,
    timed_out: bool,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Running, or ended and not reaped: its number is still its own.
    Ours,
    Reaped(Ending, Usage),
    /// Somebody else reaped it.
    Lost,
}

impl Child {
    pub(crate) fn new(
        pid: Pid,
        pidfd: OwnedFd,
        deadline: Option<Instant>,
        leads_session: bool,
    ) -> Child {
        Child {
            stdin: None,
            stdout: None,
            stderr: None,
            pid,
            pidfd,
            deadline,
            leads_session,
            fate: Fate::Ours,
            timed_out: false,
        }
    }

    /// Its number. After it was reaped another process may get it.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// A descriptor that becomes readable when it ends (man 2 pidfd_open).
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Closes its standard input, waits until it ends, and reaps it. At its
    /// wall-clock limit it is killed with all that it started; see
    /// [`timed_out`](Child::timed_out). Called again, it says the same.
    ///
    /// Read piped output before or meanwhile: a pipe holds 64 KiB, then the
    /// child waits for you. [`run`](crate::run) does that.
    ///
    /// # Errors
    /// `NotFound` if somebody else reaped it.
    pub fn wait(&mut self) -> io::Result<Ending> {
        drop(self.stdin.take());
        self.ended_by(None)?;
        self.reap()
    }

    /// The same with an end to patience: `None` if it still runs then. It
    /// leaves standard input open.
    ///
    /// # Errors
    /// As for [`wait`](Child::wait).
    pub fn wait_timeout(&mut self, patience: Duration) -> io::Result<Option<Ending>> {
        let deadline = Instant::now().checked_add(patience);
        if self.ended_by(deadline)? {
            self.reap().map(Some)
        } else {
            Ok(None)
        }
    }

    /// How it ended, if it has; reaps it.
    ///
    /// # Errors
    /// As for [`wait`](Child::wait).
    pub fn try_wait(&mut self) -> io::Result<Option<Ending>> {
        self.wait_timeout(Duration::ZERO)
    }

    /// What it used, once it is reaped.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        match self.fate {
            Fate::Reaped(_, usage) => Some(usage),
            Fate::Ours | Fate::Lost => None,
        }
    }

    /// Whether it was killed because its wall-clock limit was over: its
    /// "killed by signal 9" is then ours.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// Sends it a signal. If it has ended and is not reaped, nothing happens.
    ///
    /// # Errors
    /// `NotFound` after it was reaped: never does the signal reach another
    /// process with the same number. EPERM if it now runs as another user.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd::send(&self.pidfd, signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(self.gone()),
            other => other,
        }
    }

    /// Kills it and all that it started, as far as that can be found: its
    /// descendants, and if it leads a [session](crate::Spec::new_session)
    /// everything in it. All are stopped before any is killed, so that none
    /// starts another meanwhile. It does not reap: [`wait`](Child::wait) does.
    ///
    /// A process that left the session and lost its parent (a daemon) is out
    /// of reach, unless the caller is its new parent: see
    /// [`end_descendants`](crate::end_descendants).
    ///
    /// # Errors
    /// `NotFound` after it was reaped; others if `/proc` cannot be read, but
    /// even then the child itself is killed.
    pub fn kill_tree(&mut self) -> io::Result<()> {
        if !matches!(self.fate, Fate::Ours) {
            return Err(self.gone());
        }
        // While it is not reaped its number, and so its session's, is its own.
        // Did somebody else reap it?
        if !pidfd::exists(&self.pidfd) {
            self.fate = Fate::Lost;
            return Err(self.gone());
        }
        let swept = end::stop_then_kill(|| self.family());
        pidfd::send(&self.pidfd, Signal::SIGKILL)?;
        swept
    }

    /// Waits for its end without reaping it.
    pub(crate) fn ended_by(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        if !matches!(self.fate, Fate::Ours) {
            return Ok(true);
        }
        let limit_first = self
            .deadline
            .is_some_and(|limit| deadline.is_none_or(|at| limit <= at));
        if !limit_first {
            return pidfd::await_end(&self.pidfd, deadline);
        }
        if !pidfd::await_end(&self.pidfd, self.deadline)? {
            self.time_is_over()?;
        }
        Ok(true)
    }

    /// Its wall-clock limit, as a moment.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Kills it because its time is over, and waits until it has ended.
    pub(crate) fn time_is_over(&mut self) -> io::Result<()> {
        self.kill_tree()?;
        pidfd::await_end(&self.pidfd, None)?;
        // It may have ended by itself at the last moment.
        let by_us = Some(Signal::SIGKILL as i32);
        self.timed_out = self.reap()?.signal() == by_us;
        Ok(())
    }

    fn reap(&mut self) -> io::Result<Ending> {
        match self.fate {
            Fate::Reaped(ending, _) => return Ok(ending),
            Fate::Lost => return Err(self.gone()),
            Fate::Ours => {}
        }
        match pidfd::reap(&self.pidfd) {
            Ok(Some((ending, usage))) => {
                self.fate = Fate::Reaped(ending, usage);
                Ok(ending)
            }
            Ok(None) => Err(io::Error::other(
                "a process that has ended cannot be reaped",
            )),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {
                self.fate = Fate::Lost;
                Err(self.gone())
            }
            Err(error) => Err(error),
        }
    }

    /// Everything that `kill_tree` kills, itself included.
    fn family(&self) -> io::Result<Vec<Stat>> {
        let everyone = proc::snapshot()?;
        let session = self.leads_session.then_some(self.pid);
        let below: HashSet<Identity> = proc::below(self.pid, everyone.clone())
            .iter()
            .map(Identity::of)
            .collect();
        let ours = everyone.into_iter().filter(|stat| {
            stat.pid == self.pid
                || Some(stat.session) == session
                || below.contains(&Identity::of(stat))
        });
        Ok(ours.collect())
    }

    fn gone(&self) -> io::Error {
        let pid = self.pid;
        let message = match self.fate {
            Fate::Lost => format!(
                "process {pid} was reaped by somebody else, so how it ended is lost: \
                 look for a wait(-1), or for SIGCHLD being ignored"
            ),
            Fate::Ours | Fate::Reaped(..) => format!("process {pid} has ended and was reaped"),
        };
        io::Error::new(io::ErrorKind::NotFound, message)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.fate, Fate::Ours) {
            // Nobody is left to hear of an error here.
            _ = self.kill_tree();
            // Again, to know whether it could be killed, and so will end.
            let killed = pidfd::send(&self.pidfd, Signal::SIGKILL);
            if killed.is_ok() && pidfd::await_end(&self.pidfd, None).is_ok() {
                _ = self.reap();
            }
        }
    }
}
