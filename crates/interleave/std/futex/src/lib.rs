//! futex(2): sleep while a word has a value, and wake the threads that sleep on it.
//!
//! The modelled futex has the same names. A package that depends on `futex = { package =
//! "interleave-futex" }` is compiled again, to be explored, with `futex = { package =
//! "interleave-futex-modelled" }`.
//!
//! ```
//! use interleave_futex as futex;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU32, Ordering};
//!
//! let word = Arc::new(AtomicU32::new(0));
//! let theirs = Arc::clone(&word);
//! let thread = std::thread::spawn(move || {
//!     theirs.store(1, Ordering::Release);
//!     futex::wake_one(&theirs);
//! });
//! while word.load(Ordering::Acquire) == 0 {
//!     futex::wait(&word, 0);
//! }
//! thread.join().unwrap();
//! ```
//!
//! These are *private* futexes, for the threads of one process. Words that processes share need
//! [`shared`] ones.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

pub mod shared;

/// Sleeps until a wake-up on `word`. If the value of the word is not `expected`, it returns at
/// once. The comparison and the beginning of the sleep are one atomic step. It may also return for
/// no reason, or because of a signal, so the caller must look at the word again.
pub fn wait(word: &AtomicU32, expected: u32) {
    futex(word, libc::FUTEX_WAIT, expected, None);
}

/// [`wait`] for at most `timeout`, on the monotonic clock. Returns false if the time was up.
pub fn wait_timeout(word: &AtomicU32, expected: u32, timeout: Duration) -> bool {
    !is_timeout(futex(word, libc::FUTEX_WAIT, expected, Some(timeout)))
}

fn is_timeout(result: libc::c_long) -> bool {
    result == -1 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ETIMEDOUT)
}

/// Wakes one thread that sleeps on `word`. Returns whether there was one.
pub fn wake_one(word: &AtomicU32) -> bool {
    futex(word, libc::FUTEX_WAKE, 1, None) > 0
}

/// Wakes all threads that sleep on `word`. Returns how many there were.
pub fn wake_all(word: &AtomicU32) -> usize {
    let all = i32::MAX.cast_unsigned();
    usize::try_from(futex(word, libc::FUTEX_WAKE, all, None)).unwrap_or(0)
}

fn futex(
    word: &AtomicU32,
    operation: libc::c_int,
    value: u32,
    limit: Option<Duration>,
) -> libc::c_long {
    call(word, operation | libc::FUTEX_PRIVATE_FLAG, value, limit)
}

/// futex(2) itself.
fn call(
    word: &AtomicU32,
    operation: libc::c_int,
    value: u32,
    limit: Option<Duration>,
) -> libc::c_long {
    let limit = limit.map(|limit| libc::timespec {
        tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(limit.subsec_nanos().cast_signed()),
    });
    let limit = limit.as_ref();
    let limit = limit.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: `word` is a valid, aligned 32-bit word for the whole call, and `limit` is null or valid.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, limit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_for_another_value_returns_at_once() {
        wait(&AtomicU32::new(1), 0);
    }

    #[test]
    fn a_wait_that_nobody_ends_times_out() {
        assert!(!wait_timeout(
            &AtomicU32::new(0),
            0,
            Duration::from_millis(5)
        ));
    }

    #[test]
    fn nobody_sleeps_so_nobody_is_woken() {
        let word = AtomicU32::new(0);
        assert!(!wake_one(&word));
        assert_eq!(wake_all(&word), 0);
    }
}
