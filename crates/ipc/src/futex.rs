//! futex(2) on memory that processes share: a thread sleeps while a word has a
//! certain value, and another thread wakes it.
//!
//! This is not the *private* futex that the threads of one process use. The
//! kernel looks for the waiters of a private futex by its address in this
//! process only, so it would not find a waiter in another process.

use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps until another thread wakes the waiters of `word`, but for at most
/// `patience`. Returns at once if the value of `word` is not `expected`. The
/// kernel compares the value and puts the thread to sleep in one atomic step.
/// The call may also return spuriously or because of a signal, so the caller
/// must check its condition again.
pub(crate) fn sleep(word: &AtomicU32, expected: u32, patience: Duration) {
    let limit = libc::timespec {
        tv_sec: libc::time_t::try_from(patience.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    };
    // SAFETY: the word is valid and aligned, and the time is valid, during the
    // whole call.
    unsafe {
        let (word, limit) = (word.as_ptr(), &raw const limit);
        libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, expected, limit);
    }
}

/// Wakes all threads that sleep on `word`, in any process.
#[cold]
#[inline(never)]
pub(crate) fn wake(word: &AtomicU32) {
    let none = ptr::null::<libc::timespec>();
    // SAFETY: the word is valid, and the kernel uses only its address.
    unsafe {
        let word = word.as_ptr();
        libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX, none);
    }
}
