//! Signals that interrupt a wait.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::{self, Scope};

use super::Sleeper;

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_: libc::c_int) {
    HANDLED.fetch_add(1, Relaxed);
}

/// Installs a handler for SIGALRM that does not restart system calls: they fail with EINTR.
pub fn install() {
    // SAFETY: the structure is valid when zeroed (no flags, an empty mask), and the handler only
    // changes an atomic.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
        libc::sigaction(libc::SIGALRM, &raw const action, std::ptr::null_mut())
    };
    assert_eq!(result, 0);
}

/// `wait` sleeps; it is interrupted five times, still sleeps, and ends after `release`.
pub fn goes_on<T: Send>(wait: impl FnOnce() -> T + Send, release: impl FnOnce()) -> T {
    thread::scope(|scope: &Scope<'_, '_>| {
        let sleeper = Sleeper::spawn(scope, wait);
        for _ in 0..5 {
            let before = HANDLED.load(Relaxed);
            // SAFETY: it only sends a signal, to a thread of this process that has a handler for it.
            let sent = unsafe {
                libc::syscall(
                    libc::SYS_tgkill,
                    libc::getpid(),
                    sleeper.tid(),
                    libc::SIGALRM,
                )
            };
            assert_eq!(sent, 0);
            while HANDLED.load(Relaxed) == before {
                thread::yield_now();
            }
            sleeper.until_asleep();
        }
        assert!(!sleeper.is_finished());
        release();
        sleeper.join()
    })
}
