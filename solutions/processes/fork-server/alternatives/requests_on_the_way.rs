//! Correct in another way: a thread sends its request while another thread waits
//! for its reply. The server answers in the order of the requests, so each call
//! takes a number when it sends, and reads its reply when this number has its turn.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// The exit code of a child whose job panicked.
const PANICKED: i32 = 101;

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
    /// The child ended before it had handed over the whole answer.
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
    line: UnixStream,
    /// How many calls have sent their requests. Whoever sends holds the lock.
    sent: Mutex<u64>,
    /// How many calls have their replies. Whoever receives holds the lock.
    received: Mutex<u64>,
    next_turn: Condvar,
}

impl ForkServer {
    /// Starts the server.
    ///
    /// # Errors
    /// Those of socketpair(2), of writing what the caller has printed, and of
    /// fork(2).
    ///
    /// # Safety
    /// The caller's process has one thread, and its descriptors 0, 1 and 2 are
    /// open. `job` leaves alone the descriptors that it did not open itself, and
    /// every process that it starts has ended when the child ends.
    pub unsafe fn start(job: Job) -> io::Result<ForkServer> {
        let (line, theirs) = UnixStream::pair()?;
        // Each child would get a copy of what is in the buffer.
        io::stdout().flush()?;
        // SAFETY: the caller promises that there is no other thread.
        match unsafe { fork() }? {
            ForkResult::Parent { child: server } => Ok(ForkServer {
                server,
                line,
                sent: Mutex::new(0),
                received: Mutex::new(0),
                next_turn: Condvar::new(),
            }),
            ForkResult::Child => {
                // With this copy open, the server would never see that the
                // caller has ended.
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
    /// [`RunError::Died`] if the child ended before the job returned, and
    /// [`RunError::Io`] if the server is gone or could not start a child.
    pub fn run(&self, request: &[u8]) -> Result<Vec<u8>, RunError> {
        let (number, sent) = {
            let mut calls = lock(&self.sent);
            *calls += 1;
            (*calls - 1, send_frame(&mut &self.line, request))
        };
        // A call whose request could not be sent has its turn too. Otherwise the
        // calls behind it would wait for ever.
        let turn = lock(&self.received);
        let turn = self.next_turn.wait_while(turn, |turn| *turn != number);
        let mut turn = turn.unwrap_or_else(PoisonError::into_inner);
        let reply = sent.and_then(|()| receive_frame(&mut &self.line));
        *turn += 1;
        drop(turn);
        self.next_turn.notify_all();
        decode(reply?)
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        // Another process may hold a copy of this descriptor. Closing ours would
        // not end the connection then, but this does. It fails if the server has
        // ended.
        let _ = self.line.shutdown(Shutdown::Both);
        // A caller that ignores SIGCHLD gets ECHILD once the server has ended.
        let _ = wait_for(self.server);
    }
}

/// Nothing panics while it is locked.
fn lock(count: &Mutex<u64>) -> MutexGuard<'_, u64> {
    count.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server's whole life: one child for each request, until the caller closes
/// the connection.
fn serve(mut line: UnixStream, job: Job) -> ! {
    while let Ok(request) = receive_frame(&mut line) {
        let result = match fork_with_pipe() {
            Ok((ForkResult::Child, reader, answers)) => {
                // If the server is killed, the caller must notice that at once,
                // although this child still runs.
                drop((line, reader));
                work(job, &request, answers)
            }
            Ok((ForkResult::Parent { child }, answers, writer)) => {
                drop(writer);
                follow(child, answers)
            }
            Err(error) => Err(error.into()),
        };
        if send_frame(&mut line, &encode(result)).is_err() {
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

/// The child's whole life.
fn work(job: Job, request: &[u8], mut answers: PipeWriter) -> ! {
    let result = catch_unwind(AssertUnwindSafe(|| job(request)));
    // If the text cannot be written, there is nobody to tell.
    let _ = io::stdout().flush();
    let code = match result {
        // If the server is gone, nobody needs the answer.
        Ok(answer) => send_frame(&mut answers, &answer).map_or(1, |()| 0),
        Err(payload) => {
            // Its destructor might panic too.
            std::mem::forget(payload);
            PANICKED
        }
    };
    end(code)
}

/// Follows a child until its end. Reads the answer first: while the pipe is
/// full, the child cannot end.
fn follow(child: Pid, mut answers: PipeReader) -> Result<Vec<u8>, RunError> {
    let answer = receive_frame(&mut answers);
    match (wait_for(child)?, answer) {
        (Ending::Exited(0), Ok(answer)) => Ok(answer),
        (ending, _) => Err(RunError::Died(ending)),
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
