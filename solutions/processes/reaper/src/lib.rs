//! Learns from SIGCHLD that children have ended, and reaps those that it was
//! told to watch.
//!
//! ```text
//!  a child ends ── SIGCHLD ──▶ handler ── one byte ──▶ pipe ──▶ poll returns
//!                                                                  │
//!                     waitpid(each watched child, WNOHANG) ◀───────┘
//! ```

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, pipe2, read, write};

/// The pipe's end into which the handler writes. A handler has no arguments of
/// ours, so it finds the pipe in a static.
static BELL: AtomicI32 = AtomicI32::new(NO_BELL);

/// Not a descriptor. (0 is one.)
const NO_BELL: RawFd = -1;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Reaps the children that it watches, and no others. A process has at most one.
#[derive(Debug)]
pub struct Reaper {
    bell: Bell,
    /// What SIGCHLD did before.
    before: SigAction,
    /// The children to report. Those that have an ending are reaped already,
    /// and an error came before they could be returned.
    watched: BTreeMap<Pid, Option<Ending>>,
}

impl Reaper {
    /// Installs a handler for SIGCHLD that makes the reaper's descriptor readable.
    ///
    /// # Errors
    /// EBUSY if the process has a reaper already, and the errors of pipe(2).
    pub fn install() -> io::Result<Reaper> {
        let bell = Bell::new()?;
        let writer = bell.writer.as_raw_fd();
        BELL.compare_exchange(NO_BELL, writer, Relaxed, Relaxed)
            .map_err(|_| Errno::EBUSY)?;
        let action = SigAction::new(
            SigHandler::Handler(on_sigchld),
            // The caller's reads and writes shall not fail because a child ends.
            SaFlags::SA_RESTART | SaFlags::SA_NOCLDSTOP,
            SigSet::empty(),
        );
        // SAFETY: the handler makes only one system call, which is
        // async-signal-safe, and it preserves errno.
        let before = unsafe { sigaction(Signal::SIGCHLD, &action) }
            .inspect_err(|_| BELL.store(NO_BELL, Relaxed))?;
        Ok(Reaper {
            bell,
            before,
            watched: BTreeMap::new(),
        })
    }

    /// From now on, `child` is the reaper's to wait for.
    ///
    /// # Errors
    /// ECHILD if this is no child of the process.
    pub fn watch(&mut self, child: Pid) -> io::Result<()> {
        if self.watched.contains_key(&child) {
            return Ok(());
        }
        if child.as_raw() <= 0 {
            // To the system calls, such a number means a group, or any child.
            return Err(Errno::ECHILD.into());
        }
        // Looks whether it is a child, and leaves its status where it is.
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        waitid(Id::Pid(child), flags)?;
        self.watched.insert(child, None);
        // It may have ended before, and its SIGCHLD may have been forgotten.
        self.bell.ring();
        Ok(())
    }

    /// Returns the watched children that have ended, without waiting.
    ///
    /// # Errors
    /// Those of waitpid(2). The next call returns what this one has learned.
    pub fn reap(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        // In this order: a child that ends while we ask rings the bell again.
        self.bell.silence();
        if let Err(errno) = self.ask_for_all() {
            // Some may have ended, and no other signal will come for them.
            self.bell.ring();
            return Err(errno.into());
        }
        let ended = self.watched.extract_if(.., |_, ending| ending.is_some());
        Ok(ended
            .filter_map(|(child, ending)| Some((child, ending?)))
            .collect())
    }

    /// Waits until a watched child has ended, and returns all that have.
    ///
    /// # Errors
    /// Those of [`reap`](Reaper::reap) and of poll(2).
    pub fn wait(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        loop {
            let ended = self.reap()?;
            if !ended.is_empty() || self.watched.is_empty() {
                return Ok(ended);
            }
            self.bell.until_it_rings()?;
        }
    }

    /// SIGCHLD says neither which children have ended nor how many: the kernel
    /// keeps one pending signal, however many have been sent.
    fn ask_for_all(&mut self) -> nix::Result<()> {
        for (child, ending) in &mut self.watched {
            if ending.is_none() {
                *ending = ending_of(*child)?;
            }
        }
        Ok(())
    }
}

/// Readable when a watched child has ended.
impl AsFd for Reaper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.reader.as_fd()
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // The handler first, then the pipe, whose number another file may get.
        // SAFETY: this action was in place before.
        let _ = unsafe { sigaction(Signal::SIGCHLD, &self.before) };
        BELL.store(NO_BELL, Relaxed);
    }
}

/// Reaps `child` if it has ended.
fn ending_of(child: Pid) -> nix::Result<Option<Ending>> {
    Ok(match waitpid(child, Some(WaitPidFlag::WNOHANG))? {
        // The kernel keeps eight bits of an exit code (exit(3)).
        WaitStatus::Exited(_, code) => Some(Ending::Exited(code as u8)),
        WaitStatus::Signaled(_, signal, _) => Some(Ending::Killed(signal as i32)),
        _ => None,
    })
}

/// May interrupt the program anywhere, also in the allocator or while it holds
/// a lock.
extern "C" fn on_sigchld(_: libc::c_int) {
    let errno = Errno::last_raw();
    // If the pipe is full, it is readable, and that is all we want.
    // SAFETY: the byte outlives the call.
    unsafe { libc::write(BELL.load(Relaxed), b"!".as_ptr().cast(), 1) };
    Errno::set_raw(errno);
}

/// A pipe that is used as a flag: it is readable once it has been rung.
#[derive(Debug)]
struct Bell {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Bell {
    fn new() -> nix::Result<Bell> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        Ok(Bell { reader, writer })
    }

    fn ring(&self) {
        // It fails only if the pipe is full, and then it is readable.
        let _ = write(&self.writer, b"!");
    }

    /// Afterwards the pipe is empty.
    fn silence(&self) {
        let mut bytes = [0; 4096];
        while matches!(read(&self.reader, &mut bytes), Ok(1..)) {}
    }

    /// Sleeps until the pipe is readable, or until a signal has arrived.
    fn until_it_rings(&self) -> nix::Result<()> {
        let mut fds = [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}
