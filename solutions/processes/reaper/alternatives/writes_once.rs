//! Correct in another way: the handler sets a flag, and writes a byte only if
//! the flag was not set, so that the pipe never holds more than a few bytes.
//! `wait` blocks SIGCHLD while it looks at the children, and ppoll unblocks it.
//! (The pipe is still needed: another thread may run the handler.)

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, pipe2};

static WRITER: AtomicI32 = AtomicI32::new(0);
static EXISTS: AtomicBool = AtomicBool::new(false);
/// Whether a byte has been written since the pipe was emptied.
static IS_RUNG: AtomicBool = AtomicBool::new(false);

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
    reader: OwnedFd,
    /// Open for as long as the handler is installed.
    _writer: OwnedFd,
    before: SigAction,
    watched: Vec<(Pid, Option<Ending>)>,
}

fn ring() {
    if !IS_RUNG.swap(true, SeqCst) {
        let errno = Errno::last_raw();
        // SAFETY: write is async-signal-safe.
        unsafe { libc::write(WRITER.load(SeqCst), b"!".as_ptr().cast(), 1) };
        Errno::set_raw(errno);
    }
}

extern "C" fn on_signal(_: libc::c_int) {
    ring();
}

impl Reaper {
    /// Installs a handler for SIGCHLD that makes the reaper's descriptor readable.
    ///
    /// # Errors
    /// EBUSY if the process has a reaper already, and the errors of pipe(2).
    pub fn install() -> io::Result<Reaper> {
        if EXISTS.load(SeqCst) {
            return Err(Errno::EBUSY.into());
        }
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        WRITER.store(writer.as_raw_fd(), SeqCst);
        IS_RUNG.store(false, SeqCst);
        EXISTS.store(true, SeqCst);
        let handler = SigHandler::Handler(on_signal);
        let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler makes one async-signal-safe call.
        let before = unsafe { sigaction(Signal::SIGCHLD, &action) }?;
        Ok(Reaper {
            reader,
            _writer: writer,
            before,
            watched: Vec::new(),
        })
    }

    /// From now on, `child` is the reaper's to wait for.
    ///
    /// # Errors
    /// ECHILD if this is no child of the process.
    pub fn watch(&mut self, child: Pid) -> io::Result<()> {
        if self.watched.iter().any(|(watched, _)| *watched == child) {
            return Ok(());
        }
        if child.as_raw() < 1 {
            return Err(Errno::ECHILD.into());
        }
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(child), flags)?;
        self.watched.push((child, None));
        ring();
        Ok(())
    }

    /// Returns the watched children that have ended, without waiting.
    ///
    /// # Errors
    /// Those of waitpid(2).
    pub fn reap(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        // The flag after the pipe: a handler that runs between the two leaves no
        // byte, but its child is found below.
        while let Ok(1..) = nix::unistd::read(&self.reader, &mut [0; 8]) {}
        IS_RUNG.store(false, SeqCst);
        for (child, ending) in &mut self.watched {
            if ending.is_some() {
                continue;
            }
            match waitpid(*child, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(_, code)) => *ending = Some(Ending::Exited(code as u8)),
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    *ending = Some(Ending::Killed(signal as i32));
                }
                Ok(_) => {}
                Err(errno) => {
                    ring();
                    return Err(errno.into());
                }
            }
        }
        let (ended, running) = std::mem::take(&mut self.watched)
            .into_iter()
            .partition(|(_, ending)| ending.is_some());
        self.watched = running;
        let ended: Vec<(Pid, Option<Ending>)> = ended;
        Ok(ended
            .into_iter()
            .filter_map(|(child, ending)| ending.map(|ending| (child, ending)))
            .collect())
    }

    /// Waits until a watched child has ended, and returns all that have.
    ///
    /// # Errors
    /// Those of waitpid(2).
    pub fn wait(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        let sigchld = SigSet::from(Signal::SIGCHLD);
        let mask = sigchld.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let ended = loop {
            match self.reap() {
                Ok(ended) if ended.is_empty() && !self.watched.is_empty() => {}
                ended => break ended,
            }
            let mut fds = [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
            // An interruption is as good as a byte.
            let _ = ppoll(&mut fds, None, Some(mask));
        };
        mask.thread_set_mask()?;
        ended
    }
}

impl AsFd for Reaper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // SAFETY: it was in place before.
        let _ = unsafe { sigaction(Signal::SIGCHLD, &self.before) };
        EXISTS.store(false, SeqCst);
    }
}
