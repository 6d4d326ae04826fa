//! Correct in another way: the child writes its answer into a file in memory
//! (memfd_create(2)). The server first waits for the child and then reads the
//! file, so no pipe can be full. The last byte of a complete answer is a mark.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::Shutdown;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// The last byte of a complete answer.
const COMPLETE: u8 = b'.';

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
    line: Mutex<UnixStream>,
}

impl ForkServer {
    /// Starts the server.
    ///
    /// # Errors
    /// Those of writing what the caller has printed, socketpair(2) and fork(2).
    ///
    /// # Safety
    /// The caller's process has one thread.
    pub unsafe fn start(job: Job) -> io::Result<ForkServer> {
        io::stdout().flush()?;
        let (line, theirs) = UnixStream::pair()?;
        // SAFETY: the caller promises that there is no other thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child: server } => {
                let line = Mutex::new(line);
                Ok(ForkServer { server, line })
            }
            ForkResult::Child => {
                drop(line);
                reset_signals();
                serve(theirs, job)
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
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        send_frame(&mut *line, request)?;
        decode(receive_frame(&mut *line)?)
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        let line = self.line.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = line.shutdown(Shutdown::Write);
        let _ = wait_for(self.server);
    }
}

fn serve(mut line: UnixStream, job: Job) -> ! {
    while let Ok(request) = receive_frame(&mut line) {
        let result = match fork_with_file() {
            Ok((ForkResult::Child, file)) => {
                drop(line);
                work(job, &request, file)
            }
            Ok((ForkResult::Parent { child }, file)) => follow(child, file),
            Err(error) => Err(error.into()),
        };
        if send_frame(&mut line, &encode(result)).is_err() {
            break;
        }
    }
    end(0)
}

fn fork_with_file() -> io::Result<(ForkResult, File)> {
    // SAFETY: the name ends with a zero.
    let file = unsafe { libc::memfd_create(c"answer".as_ptr(), libc::MFD_CLOEXEC) };
    let file = Errno::result(file)?;
    // SAFETY: the kernel has just made it for us.
    let file = File::from(unsafe { OwnedFd::from_raw_fd(file) });
    // SAFETY: the server never has a second thread.
    Ok((unsafe { fork() }?, file))
}

fn work(job: Job, request: &[u8], mut file: File) -> ! {
    let code = match catch_unwind(AssertUnwindSafe(|| job(request))) {
        Ok(mut answer) => {
            answer.push(COMPLETE);
            file.write_all(&answer).map_or(1, |()| 0)
        }
        Err(payload) => {
            std::mem::forget(payload);
            101
        }
    };
    let _ = io::stdout().flush();
    end(code)
}

fn follow(child: Pid, mut file: File) -> Result<Vec<u8>, RunError> {
    let ending = wait_for(child)?;
    let mut answer = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut answer)?;
    match (ending, answer.pop()) {
        (Ending::Exited(0), Some(COMPLETE)) => Ok(answer),
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
