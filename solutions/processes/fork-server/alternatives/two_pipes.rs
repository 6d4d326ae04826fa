//! Correct in another way: requests and replies go through two pipes instead of
//! a socket. A write to a pipe has no flag against SIGPIPE, so the caller blocks
//! SIGPIPE in its thread for the time of the write and then takes it away. A pipe
//! has no shutdown either: `drop` kills the server, which is idle then.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, Signal, SigmaskHow, kill, sigaction,
};
use nix::sys::wait::{WaitStatus, waitpid};
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
    lines: Mutex<(PipeWriter, PipeReader)>,
}

impl ForkServer {
    /// Starts the server.
    ///
    /// # Errors
    /// Those of pipe(2), of writing what the caller has printed, and of fork(2).
    ///
    /// # Safety
    /// The caller's process has one thread.
    pub unsafe fn start(job: Job) -> io::Result<ForkServer> {
        let (requests, to_server) = io::pipe()?;
        let (from_server, replies) = io::pipe()?;
        io::stdout().flush()?;
        // SAFETY: the caller promises that there is no other thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child: server } => {
                let lines = Mutex::new((to_server, from_server));
                Ok(ForkServer { server, lines })
            }
            ForkResult::Child => {
                drop((to_server, from_server));
                reset_signals();
                serve(requests, replies, job)
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
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        without_sigpipe(|| send_frame(&mut lines.0, request))?;
        decode(receive_frame(&mut lines.1)?)
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        // It has not been reaped, so the number is still its own.
        let _ = kill(self.server, Signal::SIGKILL);
        let _ = wait_for(self.server);
    }
}

/// Writes with SIGPIPE blocked in this thread. The signal is sent to the thread
/// that writes, so no other thread can get it.
fn without_sigpipe(write: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let mut sigpipe = SigSet::empty();
    sigpipe.add(Signal::SIGPIPE);
    let mask = sigpipe.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let written = write();
    if written.is_err() {
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the set and the time outlive the call.
        unsafe { libc::sigtimedwait(sigpipe.as_ref(), std::ptr::null_mut(), &raw const now) };
    }
    mask.thread_set_mask()?;
    written
}

fn serve(mut requests: PipeReader, mut replies: PipeWriter, job: Job) -> ! {
    while let Ok(request) = receive_frame(&mut requests) {
        let result = match fork_with_pipe() {
            Ok((ForkResult::Child, reader, answers)) => {
                drop((requests, replies, reader));
                work(job, &request, answers)
            }
            Ok((ForkResult::Parent { child }, answers, writer)) => {
                drop(writer);
                follow(child, answers)
            }
            Err(error) => Err(error.into()),
        };
        if send_frame(&mut replies, &encode(result)).is_err() {
            break;
        }
    }
    end(0)
}

fn fork_with_pipe() -> io::Result<(ForkResult, PipeReader, PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    // SAFETY: the server never has a second thread.
    let forked = unsafe { fork() }?;
    Ok((forked, reader, writer))
}

/// A complete answer ends with a byte of its own.
fn work(job: Job, request: &[u8], mut answers: PipeWriter) -> ! {
    let result = catch_unwind(AssertUnwindSafe(|| job(request)));
    let _ = io::stdout().flush();
    let code = match result {
        Ok(answer) => {
            let sent = answers.write_all(&answer);
            sent.and_then(|()| answers.write_all(&[1])).map_or(1, |()| 0)
        }
        Err(payload) => {
            std::mem::forget(payload);
            101
        }
    };
    end(code)
}

fn follow(child: Pid, mut answers: PipeReader) -> Result<Vec<u8>, RunError> {
    let mut answer = Vec::new();
    let read = answers.read_to_end(&mut answer);
    let ending = wait_for(child)?;
    read?;
    match (ending, answer.pop()) {
        (Ending::Exited(0), Some(_)) => Ok(answer),
        _ => Err(RunError::Died(ending)),
    }
}

/// Waits until `child` has ended, and reaps it.
fn wait_for(child: Pid) -> io::Result<Ending> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => return Ok(Ending::Exited(code as u8)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ending::Killed(signal as i32)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
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

/// The server's reply: the answer or a number, and as the last byte what it is.
fn encode(result: Result<Vec<u8>, RunError>) -> Vec<u8> {
    let (number, kind) = match result {
        Ok(mut answer) => {
            answer.push(0);
            return answer;
        }
        Err(RunError::Died(Ending::Exited(code))) => (i32::from(code), 1),
        Err(RunError::Died(Ending::Killed(signal))) => (signal, 2),
        Err(RunError::Io(error)) => (error.raw_os_error().unwrap_or(libc::EIO), 3),
    };
    let mut reply = number.to_le_bytes().to_vec();
    reply.push(kind);
    reply
}

fn decode(mut reply: Vec<u8>) -> Result<Vec<u8>, RunError> {
    let kind = reply.pop();
    if kind == Some(0) {
        return Ok(reply);
    }
    let number = reply.try_into().map(i32::from_le_bytes);
    let number = number.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Err(match kind {
        Some(1) => RunError::Died(Ending::Exited(number as u8)),
        Some(2) => RunError::Died(Ending::Killed(number)),
        _ => RunError::Io(io::Error::from_raw_os_error(number)),
    })
}

/// Writes a message: eight bytes that hold its length, and then its bytes. Std
/// writes to a socket with MSG_NOSIGNAL: if the other side is gone, there is an
/// error and no SIGPIPE.
fn send_frame(line: &mut impl Write, message: &[u8]) -> io::Result<()> {
    line.write_all(&(message.len() as u64).to_le_bytes())?;
    line.write_all(message)
}

/// Reads a message. It is an error if the other side closed before its end.
fn receive_frame(line: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    line.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    let mut message = Vec::new();
    line.take(length).read_to_end(&mut message)?;
    match message.len() as u64 == length {
        true => Ok(message),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
