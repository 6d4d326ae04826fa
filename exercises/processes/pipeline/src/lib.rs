//! Run several programs at the same time, each of which reads what the one
//! before it writes.
//!
//! ```text
//!  caller's          pipe          pipe          pipe
//!  stdin ─────▶ [a] ═════▶ [b] ═════▶ [c] ═════▶ the call reads: `output`
//! ```
//!
//! ```ignore
//! let stages = [
//!     Stage { program: c"yes".into(), arguments: vec![] },
//!     Stage { program: c"head".into(), arguments: vec![c"-n".into(), c"1".into()] },
//! ];
//! // SAFETY: this program has one thread.
//! let piped = unsafe { pipeline(&stages) }?;
//! assert_eq!(piped.output, b"y\n");
//! assert_eq!(piped.endings, [Ending::Killed(13), Ending::Exited(0)]); // 13 is SIGPIPE
//! ```

use std::ffi::CString;
use std::io;

/// One program of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The name or the path of the program. It is also the program's argument 0.
    pub program: CString,
    /// The arguments that follow argument 0.
    pub arguments: Vec<CString>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// What came of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piped {
    /// What the last program wrote to its standard output.
    pub output: Vec<u8>,
    /// How each program ended, in the order of the stages.
    pub endings: Vec<Ending>,
}

/// Runs the programs of `stages` as a shell runs `a | b | c`, waits for all of
/// them, and returns what the last program wrote and how each program ended.
///
/// The programs:
/// - C1: For each stage, the call starts one process and no other. The process is
///   a child of the calling process, and it executes `program` as execvp(3) does:
///   if the name has no slash, execvp looks it up in the caller's `PATH`. The
///   program's arguments are `program` and then `arguments`, byte for byte,
///   whatever their number. No shell reads them.
/// - C2: All programs run at the same time. The call does not wait for any program
///   to read, to write or to end before it starts another one. It may start them
///   in any order.
/// - C3: The standard output of each program is the write end of a pipe (pipe(2)),
///   and the standard input of the next program is the read end of the same pipe.
///   The pipes have neither `O_NONBLOCK` nor `O_DIRECT`. The first program has the
///   caller's standard input: the same open file, also if it is a terminal. The
///   last program also writes to a pipe, and the call reads from that pipe. All
///   programs have the caller's standard error.
/// - C4: Once all programs run, no other process has an end of these pipes, except
///   that the caller has the read end of the last pipe until it has read the
///   output. So a program reads the end of its input as soon as the program before
///   it has ended (or has closed its standard output), and a program that writes
///   gets SIGPIPE as soon as the next program has ended (or has closed its standard
///   input), even if later programs still run. While a program runs, it has no
///   descriptor that the call has opened, except its two ends of pipes and what C7
///   allows.
/// - C5: Each program starts with an empty signal mask (no signal is blocked), and
///   SIGPIPE has its default action, even if the caller blocks signals, or ignores
///   or handles SIGPIPE.
/// - C6: Everything else is as fork(2) and execve(2) hand it on: environment,
///   working folder, umask, limits, priority, CPU affinity, process group, session,
///   the other signals from 1 to 31 that the caller ignores, and the caller's own
///   descriptors above 2, whatever their numbers (exec closes those that are marked
///   close-on-exec and no others). No program ends because the caller ends.
/// - C7: C3, C4 and all that follows also hold if the caller's descriptors 0, 1 or 2
///   are closed at the call. If descriptor 0 is closed, the first program's standard
///   input is closed or is `/dev/null`. If descriptor 2 is closed, the same is true
///   of the standard error of all programs.
///
/// The call:
/// - C8: `output` is everything that the last program wrote to its standard output:
///   all bytes, in order, whatever their values and their number.
/// - C9: `endings` has one element for each stage, in the order of `stages`:
///   [`Ending::Exited`] with the exit code, or [`Ending::Killed`] with the number
///   of the signal that ended the program (1 to 31), also if the kernel has written
///   a core file.
/// - C10: The call returns when all programs have ended, and not before. It has no
///   limit of time, and it ends no program, except after an error. A program that
///   is stopped has not ended. Signals for which the caller has a handler, however
///   many and whenever they arrive, do not change the result. The call may block
///   signals while it runs; the handlers then run when it returns.
/// - C11: The call leaves the caller as it was, also after an error and each time:
///   no child of the call is left, also no zombie, no thread and no descriptor;
///   signal mask, signal dispositions (with their flags and masks) and all that C6
///   lists are unchanged. Other children of the caller are left alone, those that
///   run and those that have ended: the caller can still wait for each of them. The
///   call prints nothing.
/// - C12: `stages` has any length, as far as the system has processes. Without
///   stages, the call starts nothing, and output and endings are empty. With any
///   number of stages, the call has at most 10 descriptors open at a time in the
///   calling process, in addition to those that were open before.
///
/// # Errors
/// Each error keeps its number ([`io::Error::raw_os_error`]), and C11 holds. After
/// an error, the call ends all programs that it has started with SIGKILL, and sends
/// them no other signal. (A program may end a moment before, because the end of a
/// pipe is closed. That makes no difference.) It sends no signal to a child that it
/// has already reaped: the kernel may have given its number to another process.
/// - C13: If pipe(2), fork(2) or another step in the calling process fails (EMFILE,
///   ENFILE, EAGAIN, ENOMEM), the call returns this error and does not try again.
/// - C14: If a program cannot be executed, the call returns the error of execvp(3),
///   such as ENOENT, and not an ending. If this happens to several programs, the
///   call returns the error of one of them. This also holds under the conditions of
///   C7 and C10.
/// - C15: A child that cannot execute its program, whatever the error, does nothing
///   more of what belongs to the caller: it does not return from this function, it
///   does not panic, it drops no values of the caller's, and it runs no handlers of
///   `atexit`. It prints nothing, neither a message nor the text that is still in
///   the caller's buffers. (Handlers of `pthread_atfork`, which fork(3) runs, and
///   handlers of signals that arrive at the child do not count.)
///
/// The calling process has one thread when it calls. The call itself may start
/// threads after its last fork, if they have ended when it returns.
///
/// Excluded are: callers that ignore SIGCHLD, that set `SA_NOCLDWAIT`, or whose
/// handlers wait for children that they do not know; callers whose descriptors 0, 1
/// or 2 are marked close-on-exec; programs that leave processes behind, or that a
/// signal above 31 ends; and files for which execve(2) fails with ENOEXEC.
///
/// # Safety
/// The caller's process has one thread. In the copy that `fork` makes of a
/// process with several threads, the other threads are missing, and whatever
/// they had locked (the memory allocator, for example) stays locked for ever.
#[allow(unused_variables)]
pub unsafe fn pipeline(stages: &[Stage]) -> io::Result<Piped> {
    todo!("start a child for each stage, connect them by pipes, read the output, wait for all")
}
