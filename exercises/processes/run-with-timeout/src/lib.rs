//! Run a program, but not for ever.
//!
//! ```text
//!  caller ── spawn ──▶ program (leads a process group) ──▶ its own children
//!    │ ◀── stdout, stderr ──┘
//!    └── at the end, or when the limit is over: SIGKILL to the group, reap the program
//! ```
//!
//! ```ignore
//! let mut command = Command::new("make");
//! let finished = run_with_timeout(command.arg("test"), Duration::from_secs(60))?;
//! match finished.ended {
//!     Ended::Exited(code) => println!("make ended with {code}"),
//!     Ended::Killed(signal) => println!("signal {signal} killed make"),
//!     Ended::TimedOut => println!("after 60 s, make was still running"),
//! }
//! ```

use std::io;
use std::process::Command;
use std::time::Duration;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended itself, with this exit code.
    Exited(i32),
    /// A signal that [`run_with_timeout`] had not sent ended it; this is the
    /// signal's number.
    Killed(i32),
    /// Its time was over, and [`run_with_timeout`] killed it.
    TimedOut,
}

/// What is left of a program that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// How it ended.
    pub ended: Ended,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: Vec<u8>,
}

/// Runs `command` in a process group of its own until the program ends or
/// `limit` is over, and returns how it ended and what it wrote.
///
/// *The program* is the one process that the call starts, a child of the
/// calling process. *The group* is the process group that the program leads,
/// with all processes that are in it.
///
/// The start:
/// - C1: The program starts once, as [`Command::spawn`] starts it: with the
///   arguments, the environment, the working folder and everything else that
///   the caller has set in `command`, and with the caller's descriptors that
///   have no close-on-exec flag. Whatever `command` said before, its standard
///   input is `/dev/null`, and its two outputs are two pipes, which the call
///   reads. (These changes may stay in `command`, and a file that the caller had
///   set there is then closed. The caller may use `command` again. No descriptor
///   that the call has opened stays open in it.)
/// - C2: When the program begins to run, it already leads a new process group,
///   whose ID is the ID of the program, whatever `command` said before. It is
///   still in the caller's session.
///
/// The output:
/// - C3: `stdout` and `stderr` hold the bytes that were written to the
///   program's standard output and to its standard error until the program
///   ended: all of them, unchanged and in order, also if the call killed the
///   program, and also if they were written just before the end. There is no
///   maximum. (Bytes that other processes write after that end may be included
///   or missing.)
/// - C4: The call reads both streams while the program runs: a program that
///   writes megabytes, to either stream or to both in any order, never has to
///   wait for the end of something else.
/// - C5: A program that has closed one of its streams, or both, has not ended.
///   The other stream is still read, and the limit still holds.
///
/// The end:
/// - C6: If the program ended itself, `ended` is [`Ended::Exited`] with its exit
///   code, from 0 to 255. If a signal ended it that the call had not sent, such
///   as SIGKILL from somebody else, `ended` is [`Ended::Killed`] with the number
///   of the signal, from 1 to 31. A program that is stopped (SIGSTOP) has not
///   ended, and neither has one whose first thread has ended while another one
///   goes on. (Real-time signals, from 32 on, are not judged.)
/// - C7: The call returns within 0.2 s after the end of the program, if it gets a
///   CPU. It does not wait longer for other processes, even if they hold the
///   program's output open, write to it without a pause, or are zombies that
///   nobody reaps. Processes that the program started and that have left the
///   group (`setsid`) are left alone.
/// - C8: When the program has ended, however that was, the call sends SIGKILL to
///   what is left of the group, before it returns. No process of the group
///   escapes, even if another one started it while the call killed the others.
///   (A killed process may need a moment to disappear, also after the return.)
///
/// The limit, measured from the call or from the start of the program, as you
/// like, with the monotonic clock ([`std::time::Instant`]), which nobody can set:
/// - C9: If the program has not ended when the limit is over, the call kills the
///   whole group with SIGKILL, and `ended` is [`Ended::TimedOut`]. This happens
///   also if the program catches or ignores other signals, is stopped, or keeps
///   writing. It does not happen before the limit is over.
/// - C10: If the program has ended before the call kills it, this clause holds
///   and not C9: `ended` says how the program ended, as in C6, even if the limit
///   was over long before the call could look (because the caller was stopped, or
///   got no CPU). (If somebody else sends SIGKILL at the moment at which the call
///   sends its own, both answers are right.)
/// - C11: Every limit is valid. With [`Duration::ZERO`], the call starts the
///   program and kills it at once, unless it has already ended (C10). A limit
///   that the clock cannot express, such as [`Duration::MAX`], is never over.
///
/// The caller:
/// - C12: Signals for which the caller has a handler, however many, neither end
///   the call nor make it fail, and they make the limit neither shorter nor
///   longer. The handlers run before the call returns; the call may block the
///   signals until then. The SIGCHLD that the kernel sends when the program ends
///   is such a signal, too.
/// - C13: The calling process sleeps while nothing happens. In a second in which
///   the program does nothing, all threads of the calling process together wake
///   up at most 30 times, whatever has happened before. (A thread wakes up when
///   it runs again after it has waited: these are the voluntary context switches
///   of getrusage(2).)
/// - C14: The call leaves the calling process as it was: descriptors, threads,
///   signal mask, handlers, timers, limits, environment, umask, working folder
///   and every other attribute of the process that a program can set. The program
///   is reaped. Other children of the caller are left alone, whether they run or
///   have ended: the caller can still wait for each of them. (A child of the
///   caller that has joined the group is killed with it, and not reaped.)
///
/// # Errors
/// Each error keeps its number ([`io::Error::raw_os_error`]) or, if it has none,
/// its [`kind`](io::Error::kind), and C14 holds.
/// - C15: If the program cannot be started, the call returns the error of
///   [`Command::spawn`]. (For an argument with a NUL byte, this error has no
///   number.) If a step of the call fails before the start, the call returns the
///   error of that step and starts nothing.
/// - C16: If a step after the start fails (for lack of descriptors or threads,
///   for example), the call kills the group, reaps the program, and returns the
///   error. It does not leave a running program behind, and it does not panic.
///   (It may also do without that step and go on, but then the other clauses
///   still hold, C7 and C13 too.)
///
/// These cases are not judged: a caller whose descriptors 0 to 2 are closed, a
/// caller that ignores SIGCHLD (or uses SA_NOCLDWAIT), two calls at the same
/// time, other code that waits for the program or reads its outputs, a program
/// that leaves its process group (a `pre_exec` hook can make it leave, too), a
/// program that makes its outputs packet pipes (O_DIRECT), and another process
/// that fills one stream without a pause while the program writes to the other
/// one.
#[allow(unused_variables)]
pub fn run_with_timeout(command: &mut Command, limit: Duration) -> io::Result<Finished> {
    todo!("start the program in a group; read until it ends or its time is over; kill, reap")
}
