//! Correct in another way: the server runs jobs at the same time. Each call makes
//! a connection of its own and sends one end of it to the server (SCM_RIGHTS).
//! The child reads the request from it and writes the answer to it. After the
//! child has ended, the server adds a message that says how. The connection keeps
//! messages apart (SOCK_SEQPACKET), so nobody takes the end of an answer for the
//! message of a server that has been killed.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// What each child does with its request. The result is the answer.
pub type Job = fn(&[u8]) -> Vec<u8>;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Why there is no answer.
#[derive(Debug)]
pub enum RunError {
    /// The child ended before the job returned.
    Died(Ending),
    /// A system call failed, in the caller or in the server, or the server is gone.
    Io(io::Error),
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        RunError::Io(error)
    }
}

/// A process that forks a child for each request.
#[derive(Debug)]
pub struct ForkServer {
    server: Pid,
    control: UnixStream,
}

impl ForkServer {
    /// Starts the server.
    ///
    /// # Errors
    /// Those of socketpair(2), of writing what the caller has printed, and of
    /// fork(2).
    ///
    /// # Safety
    /// The caller's process has one thread.
    pub unsafe fn start(job: Job) -> io::Result<ForkServer> {
        let (control, theirs) = UnixStream::pair()?;
        io::stdout().flush()?;
        // SAFETY: the caller promises that there is no other thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child: server } => Ok(ForkServer { server, control }),
            ForkResult::Child => {
                drop(control);
                reset_signals();
                // Whatever fails, the caller sees the end of the connection.
                let _ = serve(theirs, job);
                end(0)
            }
        }
    }

    /// The process ID of the server.
    pub fn id(&self) -> u32 {
        self.server.as_raw().cast_unsigned()
    }

    /// Runs `job(request)` in a child of the server, and returns the answer.
    ///
    /// # Errors
    /// The child died, or a system call failed.
    pub fn run(&self, request: &[u8]) -> Result<Vec<u8>, RunError> {
        let (mut ours, theirs) = connection()?;
        pass(&self.control, theirs.as_fd())?;
        drop(theirs);
        // If this fails, the reply tells why, or that there is none.
        let _ = request
            .chunks(PART)
            .try_for_each(|part| ours.write_all(part));
        let _ = ours.shutdown(Shutdown::Write);
        self.reply(&mut ours)
    }

    /// Reads until the message of the server. A job may hold the connection open
    /// after the server has been killed, so this looks at the server too.
    fn reply(&self, ours: &mut UnixStream) -> Result<Vec<u8>, RunError> {
        let mut answer = Vec::new();
        let mut has_returned = false;
        let mut part = [0; PART + 1];
        loop {
            let mut watched = [
                PollFd::new(ours.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.control.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut watched, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                other => other.map_err(io::Error::from)?,
            };
            let [ready, gone] = watched.map(|fd| fd.any().unwrap_or(true));
            if !ready && gone {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            if !ready {
                continue;
            }
            match ours.read(&mut part) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(length) => match (part[0], &part[1..length]) {
                    (DATA, bytes) => answer.extend_from_slice(bytes),
                    (RETURNED, _) => has_returned = true,
                    (EXITED, [0, ..]) if has_returned => return Ok(answer),
                    (kind, number) => return Err(ending(kind, number)),
                },
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The other side closed without having read everything.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        let _ = self.control.shutdown(Shutdown::Both);
        while let Err(Errno::EINTR) = waitpid(self.server, None) {}
    }
}

/// The most bytes of a request or of an answer in one message.
const PART: usize = 16 * 1024;

// The first byte of a message to the caller. A part of the answer follows, or
// nothing, or a number of four bytes.
const DATA: u8 = 0;
const RETURNED: u8 = 1;
const EXITED: u8 = 2;
const KILLED: u8 = 3;
const FAILED: u8 = 4;

fn connection() -> io::Result<(UnixStream, UnixStream)> {
    let cloexec = SockFlag::SOCK_CLOEXEC;
    let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, cloexec)?;
    Ok((a.into(), b.into()))
}

/// Why there is no answer.
fn ending(kind: u8, number: &[u8]) -> RunError {
    let number = number
        .first_chunk()
        .map_or(0, |bytes| i32::from_le_bytes(*bytes));
    match kind {
        EXITED => RunError::Died(Ending::Exited(number as u8)),
        KILLED => RunError::Died(Ending::Killed(number)),
        _ => io::Error::from_raw_os_error(number).into(),
    }
}

fn tell(connection: &mut UnixStream, number: i32, kind: u8) {
    let [a, b, c, d] = number.to_le_bytes();
    // If the caller is gone, nobody needs it.
    let _ = connection.write_all(&[kind, a, b, c, d]);
}

/// One event after the other: a request, the end of a child, the end of the
/// caller.
fn serve(control: UnixStream, job: Job) -> io::Result<()> {
    let mut running: Vec<(Pid, UnixStream)> = Vec::new();
    let mut ended = SigSet::empty();
    ended.add(Signal::SIGCHLD);
    ended.thread_set_mask()?;
    let ends = SignalFd::with_flags(&ended, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let mut is_open = true;
    while is_open || !running.is_empty() {
        let request = if is_open {
            PollFlags::POLLIN
        } else {
            PollFlags::empty()
        };
        let mut watched = [
            PollFd::new(ends.as_fd(), PollFlags::POLLIN),
            PollFd::new(control.as_fd(), request),
        ];
        let (watched, timeout) = if is_open {
            (&mut watched[..], PollTimeout::NONE)
        } else {
            (&mut watched[..1], PollTimeout::NONE)
        };
        match poll(watched, timeout) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let ready: Vec<bool> = watched.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        if ready[0] {
            while let Ok(Some(_)) = ends.read_signal() {}
            running = reap(running);
        }
        if ready.get(1) == Some(&true) {
            let Some(mut connection) = accept(&control)? else {
                is_open = false;
                continue;
            };
            // SAFETY: the server never has a second thread.
            match unsafe { fork() } {
                Ok(ForkResult::Parent { child }) => running.push((child, connection)),
                Ok(ForkResult::Child) => {
                    drop((control, ends, running));
                    let _ = SigSet::empty().thread_set_mask();
                    work(job, connection)
                }
                Err(errno) => tell(&mut connection, errno as i32, FAILED),
            }
        }
    }
    Ok(())
}

/// Reaps the children that have ended, and returns the others.
fn reap(running: Vec<(Pid, UnixStream)>) -> Vec<(Pid, UnixStream)> {
    let mut still = Vec::new();
    for (child, mut connection) in running {
        match waitpid(child, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => tell(&mut connection, code, EXITED),
            Ok(WaitStatus::Signaled(_, signal, _)) => tell(&mut connection, signal as i32, KILLED),
            Ok(_) | Err(Errno::EINTR) => still.push((child, connection)),
            Err(errno) => tell(&mut connection, errno as i32, FAILED),
        }
    }
    still
}

fn work(job: Job, mut connection: UnixStream) -> ! {
    let mut request = Vec::new();
    let mut part = [0; PART];
    loop {
        match connection.read(&mut part) {
            Ok(0) => break,
            Ok(length) => request.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => end(1),
        }
    }
    let result = catch_unwind(AssertUnwindSafe(|| job(&request)));
    let _ = io::stdout().flush();
    let code = match result {
        Ok(answer) => {
            let mut parts = answer.chunks(PART);
            let sent =
                parts.try_for_each(|part| connection.write_all(&[&[DATA][..], part].concat()));
            let sent = sent.and_then(|()| connection.write_all(&[RETURNED]));
            sent.map_or(1, |()| 0)
        }
        Err(payload) => {
            std::mem::forget(payload);
            101
        }
    };
    end(code)
}

/// Sends a descriptor.
fn pass(control: &UnixStream, connection: BorrowedFd<'_>) -> io::Result<()> {
    let numbers = [connection.as_raw_fd()];
    let attached = [ControlMessage::ScmRights(&numbers)];
    let (socket, parts) = (control.as_raw_fd(), [IoSlice::new(&[0])]);
    loop {
        match sendmsg::<()>(socket, &parts, &attached, MsgFlags::MSG_NOSIGNAL, None) {
            Err(Errno::EINTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}

/// Receives a descriptor; `None` at the end of the connection.
fn accept(control: &UnixStream) -> io::Result<Option<UnixStream>> {
    let mut byte = [0];
    let mut parts = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let (socket, flags) = (control.as_raw_fd(), MsgFlags::MSG_CMSG_CLOEXEC);
    let message = match recvmsg::<()>(socket, &mut parts, Some(&mut space), flags) {
        Err(Errno::ECONNRESET) => return Ok(None),
        other => other?,
    };
    for attached in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = attached
            && let [number] = numbers[..]
        {
            // SAFETY: the kernel has just made it for us.
            return Ok(Some(unsafe { OwnedFd::from_raw_fd(number) }.into()));
        }
    }
    Ok(None)
}

/// Ends the process without the exit handlers, which belong to the caller.
fn end(code: i32) -> ! {
    // SAFETY: `_exit` ends the process and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Gives every signal its default disposition and then unblocks all signals. The
/// children inherit both.
fn reset_signals() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator() {
        // Fails only for SIGKILL and SIGSTOP, which always have the default.
        // SAFETY: no code of this process relies on a handler.
        let _ = unsafe { sigaction(signal, &default) };
    }
    // Fails only for an invalid argument.
    let _ = SigSet::empty().thread_set_mask();
}
