//! Makes a thread stay where it is, without using the CPU.

use std::mem;
use std::ptr;
use std::sync::Once;

/// Stops one thread of this process for good, wherever it is: it sleeps in the
/// handler of a real-time signal until the process ends.
///
/// For tests with more spinning threads than the machine has CPUs. The test
/// freezes each thread as soon as it is where it should be, so that the CPUs
/// are free for the next ones.
pub(super) fn freeze(thread: i32) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(install);
    // SAFETY: sends a signal that has a handler; an error means that the thread is gone.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal()) };
}

/// A signal that nothing else uses.
fn signal() -> i32 {
    libc::SIGRTMIN() + 8
}

fn install() {
    // SAFETY: zeroed is a valid value; the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = stay as extern "C" fn(i32) as libc::sighandler_t;
        libc::sigfillset(&raw mut action.sa_mask);
        libc::sigaction(signal(), &raw const action, ptr::null_mut());
    }
}

extern "C" fn stay(_: i32) {
    loop {
        // SAFETY: pause may be called in a handler.
        unsafe { libc::pause() };
    }
}
