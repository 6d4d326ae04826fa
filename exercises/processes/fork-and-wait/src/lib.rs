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

/// Runs `work` in a child process, waits for the child, returns how it ended.
/// The child is the caller's own, and the only process that is started.
///
/// In the child:
/// - `work` runs, once. What it changes in memory stays in the child.
/// - Then the child ends, with what `work` returned as its exit code, or with
///   101 if `work` panicked.
/// - It never returns from this function, by `return` or by a panic, and it
///   runs nothing that the caller has registered for its own end (`atexit`).
///
/// In the caller:
/// - The call returns when that child has ended and not before, also when
///   signals interrupt the wait.
/// - The child is reaped: no zombie stays. Other children of the caller are
///   left alone, whether they run or have ended.
///
/// Standard output: what the caller had printed before the call and what
/// `work` prints come out, each exactly once, even if it is text that does not
/// end with a newline and so still waits in [`std::io::stdout`]'s buffer.
///
/// # Errors
/// If there can be no child (fork(2)), or if standard output cannot be
/// written. A child that ended badly is no error but an [`Ending`].
///
/// # Safety
/// The caller's process has one thread. In the copy that `fork` makes of a
/// process with several, the others are missing, and whatever they had locked
/// (the memory allocator, for one) stays locked for ever.
#[allow(unused_variables)]
pub unsafe fn run_in_child(work: impl FnOnce() -> u8) -> io::Result<Ending> {
    todo!("fork; in the child run `work` and end; in the parent wait and tell how it ended")
}
