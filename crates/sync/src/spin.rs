//! Spinning: checking a lock again a few times before going to sleep.

use std::hint;
use std::thread;

/// How many times a waiter checks again before it sleeps. A sleep and a wake-up cost two system
/// calls and two context switches, which take several microseconds, while most holders release the
/// lock in less than one microsecond. Where schedules are explored, a thread sleeps at once, so
/// that the sleeping is explored too.
const LOOKS: u32 = if cfg!(feature = "explored") { 0 } else { 10 };

/// Before each of the first `PAUSES` checks the waiter pauses, each time twice as long as before.
/// Before each later check it yields its CPU: by then the holder may be waiting for this very CPU.
const PAUSES: u32 = 6;

/// The checks that one waiter has left before it sleeps.
pub(crate) struct Spin {
    left: u32,
}

impl Spin {
    pub(crate) fn new() -> Self {
        Self { left: LOOKS }
    }

    /// Returns whether to check once more, and waits a little before it returns true. Checking
    /// without a pause would take the cache line away from the holder, which needs it to release
    /// the lock.
    pub(crate) fn again(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        let looks = LOOKS - self.left;
        if looks < PAUSES {
            for _ in 0..1 << looks {
                hint::spin_loop();
            }
        } else {
            thread::yield_now();
        }
        self.left -= 1;
        true
    }
}
