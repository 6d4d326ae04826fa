//! A point in time at which a wait on a futex ends.

use std::error::Error;
use std::fmt;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

/// The time was up before the event came that the thread waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out: wait longer, or find the thread that should have ended this wait")
    }
}

impl Error for TimedOut {}

/// The latest time at which a wait ends, on the monotonic clock. It is a point in time and not a
/// duration, because a wait that starts again with the whole duration after each signal or wake-up
/// might never end.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Makes a deadline `timeout` from now. If the clock cannot represent that time, the deadline
    /// never comes.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// Sleeps while `word` is `expected`, like [`futex::wait`], so it may return for no reason.
    /// Returns an error if the time is up.
    pub(crate) fn wait(self, word: &AtomicU32, expected: u32) -> Result<(), TimedOut> {
        let Some(end) = self.0 else {
            futex::wait(word, expected);
            return Ok(());
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || !futex::wait_timeout(word, expected, left) {
            return Err(TimedOut);
        }
        Ok(())
    }
}
