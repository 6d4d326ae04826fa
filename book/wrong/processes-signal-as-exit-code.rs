// A wrong answer, for the book: a killed child is reported as an exit code of 128 + n.

//! Run a closure in a child process, and tell how it ended.
//!
//! ```text
//!  caller ── fork ──▶ parent: waits ─────────────────▶ reaps, returns the ending
//!                └──▶ child:  runs the closure, ends ──┘
//! ```

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// The exit code of a child whose closure panicked. A Rust program ends with
/// the same code when `main` panics.
const PANICKED: u8 = 101;

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
/// The child ends with what `work` returns, or with 101 if `work` panics. It
/// runs nothing else of the caller's. Signals that interrupt the wait do not
/// end it. What the caller has printed, and what `work` prints, comes out once.
///
/// # Errors
/// Those of fork(2), of writing what the caller has printed, and of waitpid(2).
///
/// # Safety
/// The caller's process has one thread. In the copy that `fork` makes of a
/// process with several threads, the other threads are missing, and whatever
/// they had locked (the memory allocator, for example) stays locked for ever.
pub unsafe fn run_in_child(work: impl FnOnce() -> u8) -> io::Result<Ending> {
    // The child gets a copy of this buffer. If there were text in it, both
    // processes would write the text.
    io::stdout().flush()?;
    // SAFETY: the caller promises that there is no other thread, so the child
    // is a whole process and may do what any process may.
    match unsafe { fork() }? {
        ForkResult::Child => run_and_end(work),
        ForkResult::Parent { child } => wait_for(child),
    }
}

/// The child's whole life.
fn run_and_end(work: impl FnOnce() -> u8) -> ! {
    // Nobody will see what a panic left half done: the process ends.
    let code = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(code) => code,
        Err(payload) => {
            // Its destructor might panic too, and that would unwind into the
            // caller's frames.
            std::mem::forget(payload);
            PANICKED
        }
    };
    // Only the closure's text is in the buffer. If it cannot be written, there
    // is nobody to tell.
    let _ = io::stdout().flush();
    // Not `exit`: the handlers that it runs belong to the caller.
    // SAFETY: `_exit` ends the process and touches no memory.
    unsafe { libc::_exit(code.into()) }
}

/// Waits until `child`, and no other, has ended, and reaps it.
fn wait_for(child: Pid) -> io::Result<Ending> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => {
                // The kernel keeps eight bits of an exit code (exit(3)).
                return Ok(Ending::Exited(code as u8));
            }
            Ok(WaitStatus::Signaled(_, signal, _)) => {
                return Ok(Ending::Exited(128 + signal as u8));
            }
            // The child stopped or went on (a tracer sees that), or the handler
            // of a signal ran here: the child has not ended.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
