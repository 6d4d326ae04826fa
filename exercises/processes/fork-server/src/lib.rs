//! A fork server: a process that forks a child for each request.
//!
//! ```text
//!  caller (any number of threads)
//!     │ start: fork, once, while there is one thread
//!     ▼
//!  server (one thread)  ◀── request ── run ── answer ──▶ caller
//!     │ fork, for each request
//!     ▼
//!  a child that runs the job, and ends
//! ```
//!
//! ```ignore
//! // SAFETY: this program has one thread.
//! let server = unsafe { ForkServer::start(|request| request.repeat(2)) }?;
//! // Now the program may start threads. Each of them may use the server.
//! assert_eq!(server.run(b"ab")?, b"abab");
//! drop(server); // the server ends
//! ```

use std::io;

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

/// A process that forks a child for each request.
#[derive(Debug)]
pub struct ForkServer {
    // Your fields.
}

impl ForkServer {
    /// Starts the server.
    ///
    /// - C1: The call starts one process, the server, which is a child of the
    ///   caller. The server has one thread as long as it lives. Only the caller
    ///   returns from this function. Neither `start` nor `run` nor `drop` starts
    ///   a thread.
    ///
    /// # Errors
    /// Those of writing what the caller has printed, of making a pipe or a socket
    /// pair, and of `fork`: see C13.
    ///
    /// # Safety
    /// The caller's process has one thread, and its descriptors 0, 1 and 2 are
    /// open. `job` leaves alone the descriptors that it did not open itself
    /// (apart from reading, writing and printing), and every process that it
    /// starts has ended when the child ends. A process with a copy of the
    /// `ForkServer` (a job, or a child that the caller forks) neither uses nor
    /// drops this copy.
    #[allow(unused_variables)]
    pub unsafe fn start(job: Job) -> io::Result<ForkServer> {
        todo!("make a connection and fork: the child serves requests and never returns")
    }

    /// The process ID of the server.
    pub fn id(&self) -> u32 {
        todo!("return the process ID of the server")
    }

    /// Runs `job(request)` in a child of the server, and returns the answer.
    ///
    /// The child:
    /// - C2: Each call starts one process and no other, also if the request is the
    ///   same as before, and however the child ends. (A call that returns an error
    ///   as in C13 or C14 may start none.) The process is a child of the server,
    ///   and it has one thread when `job` begins. There, and nowhere else, `job`
    ///   runs once. The call waits for the child, however long the job takes.
    /// - C3: When `job` begins, it finds memory (statics, locks), environment,
    ///   working folder, umask, limits, process group, session and nice value as
    ///   the caller had them when it called `start`. What the caller has changed
    ///   or locked since then, and what earlier jobs have changed, is not seen,
    ///   except in memory that the caller shares with its children (`MAP_SHARED`).
    ///   A job may start a `ForkServer` of its own.
    /// - C4: When `job` begins, no signal is blocked, not even a real-time signal,
    ///   and each of the signals 1 to 31 has its default disposition, whatever the
    ///   caller blocked, ignored or handled at `start`. The dispositions of the
    ///   caller do not change. A call may change the signal mask of its thread,
    ///   and when it returns, also with an error, the mask is as it was before.
    /// - C5: When `job` begins, it finds each descriptor that the caller had at
    ///   `start`, under the same number, open on the same file, and with the same
    ///   `FD_CLOEXEC` flag. (As after each `fork`, both share the offset and the
    ///   status flags, such as `O_NONBLOCK`.) It finds no file that the caller has
    ///   opened since then.
    /// - C6: Every other descriptor that `job` finds has the flag `FD_CLOEXEC`.
    ///   So do the descriptors that a `ForkServer` opens in the caller. So a
    ///   program that the job or the caller executes gets none of them.
    ///
    /// The answer:
    /// - C7: Request and answer are any bytes, from none at all to 1 GiB, and both
    ///   may be long in the same call. The contract does not say what happens with
    ///   more bytes, or if there is too little memory.
    /// - C8: If the child ends before `job` has returned and the whole answer has
    ///   been handed over, the call returns [`RunError::Died`] with the child's
    ///   ending: `Exited(101)` if `job` panics, whatever the payload,
    ///   `Exited(code)` if it ends the process itself, also with code 0, and
    ///   `Killed(signal)` if a signal from 1 to 31 kills it, with or without a core
    ///   file. A caller that ignored SIGCHLD at `start` gets the same results. The
    ///   next call works. (If a signal kills the child after it has handed over
    ///   the whole answer, the call may return the answer or the ending.)
    /// - C9: When the call returns, the child has ended and the server has reaped
    ///   it, unless the server has been killed. No descriptor stays open for it,
    ///   in the caller or in the server.
    /// - C10: A `ForkServer` is `Send` and `Sync`. Any number of threads may call
    ///   `run` at the same time, and each call returns its own answer. The server
    ///   may run the jobs one after the other, in any order.
    /// - C11: Signals that interrupt a system call (`EINTR`) of the caller, of the
    ///   server, or of a child whose `job` has returned, however many, change
    ///   nothing. SIGSTOP followed by SIGCONT changes nothing either: a server that
    ///   is stopped has not ended, and calls wait until it goes on.
    /// - C12: What the caller printed before `start` (what is in the buffer of
    ///   `io::stdout`) is written once, by `start`. If `job` returns or panics,
    ///   what it printed is written once, before the call returns. If the write
    ///   fails with an error, the text is lost, and the call returns the same. (If
    ///   standard output is a pipe that no process reads, SIGPIPE may kill the child
    ///   at that write. The call then returns `Killed(13)`, or it returns the same
    ///   as without this write.) Neither the server nor a job, however it ends, runs
    ///   what the caller has prepared for its own end: handlers of `atexit`,
    ///   destructors of thread-local values. (A job that calls `exit` itself runs
    ///   them.)
    ///
    /// # Errors
    /// - C13: If one of the system calls of [`start`](Self::start) fails, `start`
    ///   returns that error with its `raw_os_error`, and the caller is as it was
    ///   before, except that what it printed may have been written. If a call such
    ///   as `pipe`, `socketpair` or `fork` fails in the server, or for `run` in the
    ///   caller, `run` returns [`RunError::Io`] with that error and its
    ///   `raw_os_error`. No descriptor is left, and the next call of `run` works,
    ///   however long the request was.
    /// - C14: If SIGKILL has ended the server, the call returns [`RunError::Io`],
    ///   and so does every later call. If SIGKILL ends the server during a call, at
    ///   whatever moment, that call returns without waiting for the job, which may
    ///   go on. It returns [`RunError::Io`], or the result if the server has sent
    ///   all of it before. SIGPIPE does not end the caller, even if SIGPIPE has its
    ///   default disposition, and a call leaves no SIGPIPE pending.
    #[allow(unused_variables)]
    pub fn run(&self, request: &[u8]) -> Result<Vec<u8>, RunError> {
        todo!("send the request, receive the answer or the ending")
    }
}

/// - C15: When `drop` returns, the server has ended and the caller has reaped it,
///   however long that takes. No process, zombie or descriptor of it is left. This
///   also holds if the server has been killed before (only the job that it was
///   running may still go on), and if other processes (such as a child that the
///   caller has forked, or a second server) hold copies of the caller's
///   descriptors. Other children of the caller are left alone.
/// - C16: If the caller ends without `drop`, at whatever moment and even by
///   SIGKILL, the server ends by itself. If it is running a job at that time, it
///   first waits until the job has ended. (Here no other process holds copies of
///   the caller's descriptors.)
impl Drop for ForkServer {
    fn drop(&mut self) {
        todo!("let the server end, and reap it")
    }
}
