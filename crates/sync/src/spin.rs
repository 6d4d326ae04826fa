//! Looking again a few times before going to sleep.

use std::hint;

/// How often: a sleep and a wake-up are two system calls and two switches, several microseconds,
/// while most holders are gone in less than one. Where it is explored a thread sleeps at once, so
/// that the sleeping is explored.
const LOOKS: u32 = if cfg!(feature = "explored") { 0 } else { 10 };

/// From so many looks on, the pause between them grows no more: it is 2⁵ times the first.
const LONGEST: u32 = 5;

/// The patience of one waiter.
pub(crate) struct Spin {
    left: u32,
}

impl Spin {
    pub(crate) fn new() -> Self {
        Self { left: LOOKS }
    }

    /// Whether to look once more; pauses before it says yes, each time longer. Every look takes the
    /// cache line away from the holder, who needs it to let go.
    pub(crate) fn again(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        let looks = LOOKS - self.left;
        for _ in 0..1 << looks.min(LONGEST) {
            hint::spin_loop();
        }
        self.left -= 1;
        true
    }
}
