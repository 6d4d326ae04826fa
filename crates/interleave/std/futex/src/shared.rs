//! Futexes on words that several processes share.
//!
//! The kernel looks for the waiters of a private futex by its address in one process only, so it
//! would not find a waiter in another process. For a shared one it looks by the page of memory.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps until another thread, of any process, wakes the waiters of `word`. Otherwise as the private
/// [`wait`](super::wait): the caller must look at the word again.
pub fn wait(word: &AtomicU32, expected: u32) {
    super::call(word, libc::FUTEX_WAIT, expected, None);
}

/// [`wait`] for at most `timeout`, on the monotonic clock. Returns false if the time was up.
pub fn wait_timeout(word: &AtomicU32, expected: u32, timeout: Duration) -> bool {
    !super::is_timeout(super::call(word, libc::FUTEX_WAIT, expected, Some(timeout)))
}

/// Wakes one thread that sleeps on `word`, in any process. Returns whether there was one.
pub fn wake_one(word: &AtomicU32) -> bool {
    super::call(word, libc::FUTEX_WAKE, 1, None) > 0
}

/// Wakes all threads that sleep on `word`, in any process. Returns how many there were.
pub fn wake_all(word: &AtomicU32) -> usize {
    let all = i32::MAX.cast_unsigned();
    usize::try_from(super::call(word, libc::FUTEX_WAKE, all, None)).unwrap_or(0)
}
