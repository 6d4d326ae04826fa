//! Looking again a few times before going to sleep.

use std::hint;

/// How often: a sleep and a wake-up are two system calls and two switches, several microseconds,
/// while most holders are gone in less than one. Where it is explored a thread sleeps at once, so
/// that the sleeping is explored.
const LOOKS: u32 = if cfg!(feature = "explored") { 0 } else { 100 };

/// The patience of one waiter.
pub(crate) struct Spin(u32);

impl Spin {
    pub(crate) fn new() -> Self {
        Self(LOOKS)
    }

    /// Whether to look once more; pauses for a moment before it says yes.
    pub(crate) fn again(&mut self) -> bool {
        if self.0 == 0 {
            return false;
        }
        self.0 -= 1;
        hint::spin_loop();
        true
    }
}
