//! futex(2) on memory that processes share: sleep while a word has a value,
//! wake who sleeps on it.
//!
//! Not the *private* futex that threads use: the kernel looks a private one up
//! by its address in this process, where the other process never sleeps.

use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps until a wake-up on `word`, for `patience` at most, unless its value
/// is not `expected`: then it returns at once. The comparison and the falling
/// asleep are one step. It may also return for no reason or because of a
/// signal; whoever returns must look again.
pub(crate) fn sleep(word: &AtomicU32, expected: u32, patience: Duration) {
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(patience.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    };
    // SAFETY: a valid, aligned word and a valid time for the whole call.
    unsafe {
        let (word, limit) = (word.as_ptr(), &raw const limit);
        libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, expected, limit);
    }
}

/// Wakes everyone who sleeps on `word`, in whatever process.
#[cold]
#[inline(never)]
pub(crate) fn wake(word: &AtomicU32) {
    let none = ptr::null::<libc::timespec>();
    // SAFETY: a valid word; the kernel uses its address only.
    unsafe {
        let word = word.as_ptr();
        libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX, none);
    }
}
