//! Correct in another way: the handler adds 1 to an eventfd, a counter in the
//! kernel that is readable while it is not 0. One descriptor is enough, and one
//! read sets the counter back to 0.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

static COUNTER: AtomicI32 = AtomicI32::new(-1);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Reaps the children that it watches, and no others.
#[derive(Debug)]
pub struct Reaper {
    counter: EventFd,
    before: SigAction,
    running: Vec<Pid>,
    /// Reaped, and not yet returned.
    ended: Vec<(Pid, Ending)>,
}

extern "C" fn count(_: libc::c_int) {
    let errno = Errno::last_raw();
    let one = 1_u64;
    // SAFETY: write is async-signal-safe, and the eight bytes outlive the call.
    unsafe { libc::write(COUNTER.load(Ordering::SeqCst), (&raw const one).cast(), 8) };
    Errno::set_raw(errno);
}

impl Reaper {
    /// Installs a handler for SIGCHLD that makes the reaper's descriptor readable.
    ///
    /// # Errors
    /// EBUSY if the process has a reaper already, and the errors of eventfd(2).
    pub fn install() -> io::Result<Reaper> {
        if COUNTER.load(Ordering::SeqCst) != -1 {
            return Err(Errno::EBUSY.into());
        }
        let counter = EventFd::from_flags(EfdFlags::EFD_CLOEXEC.union(EfdFlags::EFD_NONBLOCK))?;
        COUNTER.store(counter.as_fd().as_raw_fd(), Ordering::SeqCst);
        let handler = SigHandler::Handler(count);
        let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::all());
        // SAFETY: the handler makes one async-signal-safe call.
        let before = unsafe { sigaction(Signal::SIGCHLD, &action) }?;
        Ok(Reaper {
            counter,
            before,
            running: Vec::new(),
            ended: Vec::new(),
        })
    }

    /// From now on, `child` is the reaper's to wait for.
    ///
    /// # Errors
    /// ECHILD if this is no child of the process.
    pub fn watch(&mut self, child: Pid) -> io::Result<()> {
        let is_watched = |(ended, _): &(Pid, Ending)| *ended == child;
        if self.running.contains(&child) || self.ended.iter().any(is_watched) {
            return Ok(());
        }
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let status = match child.as_raw() {
            ..=0 => return Err(Errno::ECHILD.into()),
            1.. => waitid(Id::Pid(child), look)?,
        };
        self.running.push(child);
        if status != WaitStatus::StillAlive {
            let _ = self.counter.write(1);
        }
        Ok(())
    }

    /// Returns the watched children that have ended, without waiting.
    ///
    /// # Errors
    /// Those of waitpid(2).
    pub fn reap(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        // It fails if the counter is 0.
        let _ = self.counter.read();
        let mut place = 0;
        while let Some(child) = self.running.get(place).copied() {
            let ending = match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => Ending::Exited(code as u8),
                Ok(WaitStatus::Signaled(_, signal, _)) => Ending::Killed(signal as i32),
                Ok(_) => {
                    place += 1;
                    continue;
                }
                Err(errno) => {
                    let _ = self.counter.write(1);
                    return Err(errno.into());
                }
            };
            self.running.swap_remove(place);
            self.ended.push((child, ending));
        }
        Ok(std::mem::take(&mut self.ended))
    }

    /// Waits until a watched child has ended, and returns all that have.
    ///
    /// # Errors
    /// Those of waitpid(2) and poll(2).
    pub fn wait(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        loop {
            let ended = self.reap()?;
            if !ended.is_empty() || self.running.is_empty() {
                return Ok(ended);
            }
            let mut fds = [PollFd::new(self.counter.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::NONE) {
                Err(errno) if errno != Errno::EINTR => return Err(errno.into()),
                _ => {}
            }
        }
    }
}

impl AsFd for Reaper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // SAFETY: it was in place before.
        let _ = unsafe { sigaction(Signal::SIGCHLD, &self.before) };
        COUNTER.store(-1, Ordering::SeqCst);
    }
}
