//! What a caller may have besides the code under test: children and handlers.

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::unistd::{ForkResult, Pid, fork};

/// Forks a child of the calling process that the code under test knows nothing
/// of. The child does `life` and ends with the exit code that `life` returns,
/// without destructors, exit handlers or flushes.
///
/// The caller must have only one thread: in a child of a process with threads,
/// a lock may be held by a thread that is not there (man 2 fork).
pub fn other_child(life: impl FnOnce() -> u8) -> Pid {
    // SAFETY: the caller has one thread, as demanded above.
    match unsafe { fork() }.expect("a process for the test's own child") {
        ForkResult::Child => {
            let code = life();
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
