//! A started process, until it is reaped.

use std::collections::HashSet;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::end::{self, Identity};
use crate::proc::{self, Stat};
use crate::{Ending, Pid, Signal, Usage, pidfd};

/// A started process. Dropping this value kills the process with everything
/// that it started ([`kill_tree`](Child::kill_tree)) and reaps it. So the
/// process does not outlive its `Child`, unless it is a setuid program, which
/// an ordinary user may not kill.
///
/// If this process forks, the forked child has a copy of this value. Dropping
/// the copy leaves the process alone, and the copy cannot wait: only a parent
/// can.
///
/// ```
/// use processes::{Ending, Signal, Spec};
/// let mut child = Spec::new("sleep").arg("1000").spawn()?;
/// child.signal(Signal::SIGTERM)?;
/// assert_eq!(child.wait()?.to_string(), "killed by signal 15 (SIGTERM)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// All methods that wait do so on a pidfd: waiting takes no CPU time, continues
/// after EINTR, and needs no SIGCHLD handler. No other code may wait for this
/// process. If a `wait(-1)` elsewhere in the program reaps it, or if SIGCHLD is
/// ignored, the information how it ended is lost, and the waiting methods
/// return an error.
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
    /// The process that made this value. In a forked child it is another.
    owner: Pid,
    /// When its wall-clock limit expires.
    deadline: Option<Instant>,
    leads_session: bool,
    fate: Fate,
    timed_out: bool,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Running, or ended and not yet reaped: no other process can have its
    /// number.
    Ours,
    Reaped(Ending, Usage),
    /// This `Child` did not reap it, so how it ended is unknown.
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
            owner: this_process(),
            deadline,
            leads_session,
            fate: Fate::Ours,
            timed_out: false,
        }
    }

    /// The number of the process. After it is reaped, another process may get
    /// the same number.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// A file descriptor that becomes readable when the process ends (man 2
    /// pidfd_open).
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Closes the child's standard input, waits until the child ends, and reaps
    /// it. If the wall-clock limit expires first, the child is killed with
    /// everything that it started; see [`timed_out`](Child::timed_out). Later
    /// calls return the same ending.
    ///
    /// Read piped output before you call this, or at the same time: a pipe
    /// holds 64 KiB, and a child that has filled it waits until you read.
    /// [`run`](crate::run) does that for you.
    ///
    /// # Errors
    /// `NotFound` if other code reaped the child, or in a forked process's copy.
    pub fn wait(&mut self) -> io::Result<Ending> {
        drop(self.stdin.take());
        self.ended_by(None)?;
        self.reap()
    }

    /// Like [`wait`](Child::wait), but it waits no longer than `patience` and
    /// returns `None` if the child still runs then. It leaves the child's
    /// standard input open.
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

    /// If the child has ended, reaps it and returns how it ended.
    ///
    /// # Errors
    /// As for [`wait`](Child::wait).
    pub fn try_wait(&mut self) -> io::Result<Option<Ending>> {
        self.wait_timeout(Duration::ZERO)
    }

    /// The resources that the child used, once it is reaped.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        match self.fate {
            Fate::Reaped(_, usage) => Some(usage),
            Fate::Ours | Fate::Lost => None,
        }
    }

    /// Whether this library killed the child because its wall-clock limit
    /// expired. Its ending is then "killed by signal 9".
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// Sends the child a signal. If the child has ended and is not yet reaped,
    /// nothing happens.
    ///
    /// # Errors
    /// `NotFound` after the child was reaped. The signal never reaches another
    /// process with the same number. EPERM if the child now runs as another
    /// user.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd::send(&self.pidfd, signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(self.gone()),
            other => other,
        }
    }

    /// Kills the child and everything that it started, as far as that can be
    /// found: its descendants and, if it leads a
    /// [session](crate::Spec::new_session), every process in that session. It
    /// stops all of them before it kills any, so that none of them starts
    /// another process meanwhile. It does not reap the child;
    /// [`wait`](Child::wait) does.
    ///
    /// It cannot find a process that has left the session and lost its parent
    /// (a daemon). If the caller is a subreaper,
    /// [`end_descendants`](crate::end_descendants) finds that process.
    ///
    /// # Errors
    /// `NotFound` after the child was reaped. Another error if `/proc` cannot
    /// be read; the child itself is killed even then.
    pub fn kill_tree(&mut self) -> io::Result<()> {
        if !matches!(self.fate, Fate::Ours) {
            return Err(self.gone());
        }
        // Until the child is reaped, its number, and so the number of its
        // session, belongs to it. Has other code reaped it?
        if !pidfd::exists(&self.pidfd) {
            self.fate = Fate::Lost;
            return Err(self.gone());
        }
        let swept = end::stop_then_kill(|| self.family());
        pidfd::send(&self.pidfd, Signal::SIGKILL)?;
        swept
    }

    /// Waits until the child has ended, and returns false if `deadline` comes
    /// first. It reaps the child only if the wall-clock limit expires.
    pub(crate) fn ended_by(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        if !matches!(self.fate, Fate::Ours) {
            return Ok(true);
        }
        if self.is_copy() {
            return Err(self.gone());
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

    /// When the child's wall-clock limit expires.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Kills the child because its wall-clock limit has expired, waits until it
    /// has ended, and reaps it.
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

    /// All processes that `kill_tree` kills, including the child itself.
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

    /// Whether this is a copy of the value, in a forked child.
    fn is_copy(&self) -> bool {
        self.owner != this_process()
    }

    fn gone(&self) -> io::Error {
        let (pid, owner) = (self.pid, self.owner);
        let message = match self.fate {
            Fate::Ours if self.is_copy() => {
                format!("process {pid} is a child of process {owner}: only that process can wait")
            }
            Fate::Lost => format!(
                "process {pid} was reaped by somebody else, so how it ended is lost: \
                 look for a wait(-1), or for SIGCHLD being ignored"
            ),
            Fate::Ours | Fate::Reaped(..) => format!("process {pid} has ended and was reaped"),
        };
        io::Error::new(io::ErrorKind::NotFound, message)
    }
}

/// The process that runs this code.
pub(crate) fn this_process() -> Pid {
    std::process::id().cast_signed()
}

impl Drop for Child {
    fn drop(&mut self) {
        if matches!(self.fate, Fate::Ours) && !self.is_copy() {
            // `drop` cannot report an error.
            _ = self.kill_tree();
            // Send SIGKILL again: if that succeeds, the child will end, and
            // waiting for it cannot take for ever.
            let killed = pidfd::send(&self.pidfd, Signal::SIGKILL);
            if killed.is_ok() && pidfd::await_end(&self.pidfd, None).is_ok() {
                _ = self.reap();
            }
        }
    }
}
