//! Correct in another way: `wait` sleeps in a read that blocks, and `reap` asks
//! poll first whether there is something to read. Only the handler's end of the
//! pipe is non-blocking. Each child is looked at first (WNOWAIT) and reaped only
//! after all looks have succeeded.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// The number of the pipe's end, or -1 if there is no reaper.
static NUMBER: AtomicI32 = AtomicI32::new(-1);

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
    reader: PipeReader,
    writer: PipeWriter,
    before: SigAction,
    watched: BTreeSet<Pid>,
    reaped: Vec<(Pid, Ending)>,
}

extern "C" fn write_a_byte(_: libc::c_int) {
    let errno = Errno::last_raw();
    // SAFETY: write is async-signal-safe.
    unsafe { libc::write(NUMBER.load(Relaxed), b".".as_ptr().cast(), 1) };
    Errno::set_raw(errno);
}

fn look(child: Pid, more: WaitPidFlag) -> nix::Result<Option<Ending>> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | more;
    Ok(match waitid(Id::Pid(child), flags)? {
        WaitStatus::Exited(_, code) => Some(Ending::Exited(code as u8)),
        WaitStatus::Signaled(_, signal, _) => Some(Ending::Killed(signal as i32)),
        _ => None,
    })
}

impl Reaper {
    /// Installs a handler for SIGCHLD that makes the reaper's descriptor readable.
    ///
    /// # Errors
    /// EBUSY if the process has a reaper already, and the errors of pipe(2).
    pub fn install() -> io::Result<Reaper> {
        if NUMBER.load(Relaxed) != -1 {
            return Err(Errno::EBUSY.into());
        }
        let (reader, writer) = io::pipe()?;
        fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        NUMBER.store(writer.as_raw_fd(), Relaxed);
        let handler = SigHandler::Handler(write_a_byte);
        let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler makes one async-signal-safe call.
        let before = unsafe { sigaction(Signal::SIGCHLD, &action) }?;
        Ok(Reaper {
            reader,
            writer,
            before,
            watched: BTreeSet::new(),
            reaped: Vec::new(),
        })
    }

    /// From now on, `child` is the reaper's to wait for.
    ///
    /// # Errors
    /// ECHILD if this is no child of the process.
    pub fn watch(&mut self, child: Pid) -> io::Result<()> {
        if self.watched.contains(&child) || self.reaped.iter().any(|(pid, _)| *pid == child) {
            return Ok(());
        }
        if child <= Pid::from_raw(0) {
            return Err(io::Error::from_raw_os_error(libc::ECHILD));
        }
        look(child, WaitPidFlag::WNOWAIT)?;
        self.watched.insert(child);
        (&self.writer)
            .write_all(b".")
            .or_else(|error| match error.kind() {
                io::ErrorKind::WouldBlock => Ok(()),
                _ => Err(error),
            })
    }

    /// Returns the watched children that have ended, without waiting.
    ///
    /// # Errors
    /// Those of waitid(2).
    pub fn reap(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        while self.is_readable() {
            let _ = self.reader.read(&mut [0; 64])?;
        }
        self.reap_all().inspect_err(|_| {
            let _ = (&self.writer).write(b".");
        })?;
        Ok(std::mem::take(&mut self.reaped))
    }

    fn reap_all(&mut self) -> nix::Result<()> {
        let mut ended = Vec::new();
        for child in &self.watched {
            if look(*child, WaitPidFlag::WNOWAIT)?.is_some() {
                ended.push(*child);
            }
        }
        for child in ended {
            if let Some(ending) = look(child, WaitPidFlag::empty())? {
                self.watched.remove(&child);
                self.reaped.push((child, ending));
            }
        }
        Ok(())
    }

    /// Waits until a watched child has ended, and returns all that have.
    ///
    /// # Errors
    /// Those of waitid(2) and read(2).
    pub fn wait(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        loop {
            let ended = self.reap()?;
            if !ended.is_empty() || self.watched.is_empty() {
                return Ok(ended);
            }
            // An interruption is a reason to look, too.
            match self.reader.read(&mut [0]) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
        }
    }

    fn is_readable(&self) -> bool {
        let mut fds = [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO) == Ok(1)
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
        NUMBER.store(-1, Relaxed);
    }
}
