//! Run a closure in a child process, and tell how it ended.
//!
//! ```text
//!  caller ── fork ──▶ parent: waits ─────────────────▶ reaps, returns the ending
//!                └──▶ child:  runs the closure, ends ──┘
//! ```
//!
//! ```ignore
//! // SAFETY: this program has one thread.
//! match unsafe { run_in_child(|| 7) }? {
//!     Ending::Exited(code) => println!("it returned {code}"),
//!     Ending::Killed(signal) => println!("signal {signal} killed it"),
//! }
//! ```

use std::io;

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Runs `work` in a child process, waits for the child and returns how it ended.
///
/// In the child:
/// - C1: Each call starts one process and no other. It is a child of the
///   calling process itself.
/// - C2: `work` runs in that child, once, and nowhere else. It runs on the copy
///   of the calling thread that fork(2) makes, with its thread-local values and
///   its stack. `work` may itself call this function.
/// - C3: When `work` begins, it finds what the caller had at the call, as fork(2)
///   copies it: signal mask, signal dispositions, descriptors (none missing, none
///   new), environment, working folder, umask, limits, priority, CPUs, user,
///   process group, session and the thread's name.
/// - C4: What `work` changes there, or in memory, stays in the child.
/// - C5: No lock of standard input, output or error is held while `work` runs:
///   a thread that `work` starts may print.
/// - C6: When `work` returns, the child ends with the returned value as its exit
///   code. Threads that `work` started and that still run end with it.
/// - C7: When a panic leaves `work`, the child ends with exit code 101, whatever
///   the payload is. The caller's panic hook reports it as usual. A panic that
///   `work` catches itself changes nothing.
/// - C8: The child never comes out of this function, by `return` or by a panic:
///   it runs no code of the caller's but `work` and the panic hook. (It may drop
///   the payload of a panic, if it also catches a panic of the destructor.)
/// - C9: What the caller has prepared for its own end does not happen in the
///   child: handlers of `atexit`, `on_exit` and `at_quick_exit`, destructors of
///   thread-local values, text in the buffers of C's `stdio`.
///
/// In the caller:
/// - C10: If the child ended itself, the call returns [`Ending::Exited`] with its
///   exit code, also if `work` called `exit` or `_exit`, or executed another
///   program. Of the argument of `exit`, the kernel keeps the low 8 bits.
/// - C11: If a signal ended the child, the call returns [`Ending::Killed`] with
///   the number of the signal, from 1 to 31. Whether the kernel wrote a core
///   file makes no difference.
/// - C12: The call returns after that child has ended and not before. There is
///   no limit of time. Signals that interrupt the wait, however many, do not end
///   it, and a child that stops (SIGSTOP) has not ended.
/// - C13: Processes that `work` started and that still run when the child ends
///   are left alone: the call does not wait for them and does not end them.
/// - C14: The child is reaped: no zombie stays.
/// - C15: Other children of the caller are left alone, whether they run, have
///   stopped or have ended. The caller can still wait for each of them.
/// - C16: The call leaves the caller as it was: all that C3 lists, locks, timers,
///   panic hook, memory. The caller's copy of `work` is dropped without having
///   run. A signal for which the caller has a handler is handled before the call
///   returns, even if it arrives during the wait. (SIGCHLD is excepted.)
///
/// Standard output, written with [`std::io::stdout`]:
/// - C17: What the caller printed before the call comes out exactly once, before
///   anything that `work` prints, even if it does not end with a newline and so
///   still waits in the buffer. The function itself prints nothing, neither here
///   nor on standard error.
/// - C18: What `work` prints comes out exactly once, before the call returns,
///   whatever its length, even if it does not end with a newline, and also if
///   `work` panics afterwards. (If `work` ends the process itself or a signal
///   ends it, text in the child's buffer may be lost.)
///
/// # Errors
/// Each error keeps its number ([`io::Error::raw_os_error`]), and C16 holds.
/// - C19: If fork(2) fails, the call returns its error. It does not try again,
///   and `work` does not run.
/// - C20: If the text that the caller has printed cannot be written, the call
///   returns the error and starts no process.
/// - C21: If waitpid(2) fails for another reason than an interruption, the call
///   returns its error. If the caller ignores SIGCHLD, the kernel keeps no
///   status, and waitpid fails with ECHILD once the child has ended: the call
///   then returns that error, or the ending if it learns of it in another way.
/// - C22: If the child cannot write what `work` printed, the call does not fail:
///   this text is lost, and the child ends as C6 and C7 say.
///
/// # Safety
/// The caller's process has one thread. In the copy that `fork` makes of a
/// process with several threads, the other threads are missing, and whatever
/// they had locked (the memory allocator, for example) stays locked for ever.
/// - C23: This is why the function is `unsafe`. It demands nothing else: `work` is
///   any `FnOnce() -> u8`, also one that borrows or is not `Send`.
#[allow(unused_variables)]
pub unsafe fn run_in_child(work: impl FnOnce() -> u8) -> io::Result<Ending> {
    todo!("fork; in the child run `work` and end; in the parent wait and tell how it ended")
}
