//! Correct in another way: it calls libc directly, its handler receives the
//! information about the signal and ignores it, and a pair of sockets takes the
//! place of the pipe.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI64, Ordering};

use nix::libc;
use nix::unistd::Pid;

/// The socket's number, or -1.
static SOCKET: AtomicI64 = AtomicI64::new(-1);

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Reaps the children that it watches, and no others.
pub struct Reaper {
    reader: UnixStream,
    writer: UnixStream,
    before: libc::sigaction,
    /// `None` for children that are still running.
    watched: HashMap<libc::pid_t, Option<Ending>>,
}

extern "C" fn handle(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let socket = SOCKET.load(Ordering::Acquire) as i32;
    // SAFETY: send is async-signal-safe, and errno belongs to this thread.
    unsafe {
        let errno = *libc::__errno_location();
        libc::send(
            socket,
            c"!".as_ptr().cast(),
            1,
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        );
        *libc::__errno_location() = errno;
    }
}

fn ask(child: libc::pid_t) -> io::Result<Option<Ending>> {
    let mut status = 0;
    // SAFETY: the pointer is to an integer that outlives the call.
    match unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ => {
            let status = ExitStatus::from_raw(status);
            let exited = status.code().map(|code| Ending::Exited(code as u8));
            Ok(exited.or(status.signal().map(Ending::Killed)))
        }
    }
}

impl Reaper {
    /// Installs a handler for SIGCHLD that makes the reaper's descriptor readable.
    ///
    /// # Errors
    /// EBUSY if the process has a reaper already, and the errors of socketpair(2).
    pub fn install() -> io::Result<Reaper> {
        if SOCKET.load(Ordering::Acquire) >= 0 {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        SOCKET.store(i64::from(writer.as_raw_fd()), Ordering::Release);
        // SAFETY: zeros are an action with an empty mask; both pointers are to
        // structures that outlive the call; the handler is async-signal-safe.
        let before = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let mut before: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) = handle;
            action.sa_sigaction = handler as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigaction(libc::SIGCHLD, &raw const action, &raw mut before);
            before
        };
        Ok(Reaper {
            reader,
            writer,
            before,
            watched: HashMap::new(),
        })
    }

    /// From now on, `child` is the reaper's to wait for.
    ///
    /// # Errors
    /// ECHILD if this is no child of the process.
    pub fn watch(&mut self, child: Pid) -> io::Result<()> {
        let pid = child.as_raw();
        if self.watched.contains_key(&pid) {
            return Ok(());
        }
        if pid < 1 {
            return Err(io::Error::from_raw_os_error(libc::ECHILD));
        }
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: zeros are valid information, which the call fills.
        let is_child = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, pid as libc::id_t, &raw mut info, flags) == 0
        };
        if !is_child {
            return Err(io::Error::last_os_error());
        }
        self.watched.insert(pid, None);
        self.ring();
        Ok(())
    }

    /// Returns the watched children that have ended, without waiting.
    ///
    /// # Errors
    /// Those of waitpid(2).
    pub fn reap(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        self.empty();
        let mut error = None;
        for (child, ending) in &mut self.watched {
            if ending.is_none() {
                match ask(*child) {
                    Ok(now) => *ending = now,
                    Err(failed) => error = Some(failed),
                }
            }
        }
        if let Some(error) = error {
            self.ring();
            return Err(error);
        }
        let mut all = Vec::new();
        self.watched.retain(|child, ending| {
            all.extend(ending.map(|ending| (Pid::from_raw(*child), ending)));
            ending.is_none()
        });
        Ok(all)
    }

    /// Waits until a watched child has ended, and returns all that have.
    ///
    /// # Errors
    /// Those of waitpid(2).
    pub fn wait(&mut self) -> io::Result<Vec<(Pid, Ending)>> {
        loop {
            let ended = self.reap()?;
            if !ended.is_empty() || self.watched.is_empty() {
                return Ok(ended);
            }
            let mut socket = libc::pollfd {
                fd: self.reader.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: the structure outlives the call. An error is an interruption.
            unsafe { libc::poll(&raw mut socket, 1, -1) };
        }
    }

    fn ring(&self) {
        // SAFETY: the byte outlives the call.
        unsafe { libc::send(self.writer.as_raw_fd(), c"!".as_ptr().cast(), 1, 0) };
    }

    fn empty(&self) {
        let mut bytes = [0; 100];
        while (&self.reader).read(&mut bytes).is_ok() {}
    }
}

impl AsFd for Reaper {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        // SAFETY: this action was in place before.
        unsafe { libc::sigaction(libc::SIGCHLD, &raw const self.before, null_mut()) };
        SOCKET.store(-1, Ordering::Release);
    }
}
