//! Looking again a few times before going to sleep.

use std::hint;
use std::thread;

/// How often: a sleep and a wake-up are two system calls and two switches, several microseconds,
/// while most holders are gone in less than one. Where it is explored a thread sleeps at once, so
/// that the sleeping is explored.
const LOOKS: u32 = if cfg!(feature = "explored") { 0 } else { 10 };

/// So many looks come after a pause, each twice as long as the last; the others after giving way: by
/// then the holder may be waiting for this very CPU.
const PAUSES: u32 = 6;

/// The patience of one waiter.
pub(crate) struct Spin {
    left: u32,
}

impl Spin {
    pub(crate) fn new() -> Self {
        Self { left: LOOKS }
    }

    /// Whether to look once more; waits a little before it says yes. Looking all the time would take
    /// the cache line away from the holder, who needs it to let go.
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
