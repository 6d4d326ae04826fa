//! What a caller may have besides the code under test: children and handlers.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Pid, fork};

/// The exit code of a Rust program that panicked.
const PANICKED: u8 = 101;

/// Forks a child of the calling process that the code under test knows nothing
/// of. The child does `life` and ends with the exit code that `life` returns,
/// or with 101 if it panics, without destructors of the caller, exit handlers
/// or flushes.
///
/// The caller must have only one thread: in a child of a process with threads,
/// a lock may be held by a thread that is not there (man 2 fork).
pub fn other_child(life: impl FnOnce() -> u8) -> Pid {
    // SAFETY: the caller has one thread, as demanded above.
    match unsafe { fork() }.expect("a process for the test's own child") {
        ForkResult::Child => {
            // A panic must not unwind into the caller's frames: they are not the child's.
            let code = catch_unwind(AssertUnwindSafe(life)).unwrap_or(PANICKED);
            // SAFETY: it ends the process and touches no memory.
            unsafe { libc::_exit(code.into()) }
        }
        ForkResult::Parent { child } => child,
    }
}

/// Sets what the process does on `signal`, with an empty mask. Without
/// `SA_RESTART` in `flags`, the signal interrupts system calls (man 7 signal).
/// A handler must do only what man 7 signal-safety allows. SIGKILL and SIGSTOP
/// stay as they are.
pub fn on_signal(signal: Signal, handler: SigHandler, flags: SaFlags) {
    let action = SigAction::new(handler, flags, SigSet::empty());
    // SAFETY: handlers in tests keep to what this function's documentation says.
    let _ = unsafe { sigaction(signal, &action) };
}

/// A handler that does nothing: the signal only interrupts.
pub extern "C" fn do_nothing(_: i32) {}
