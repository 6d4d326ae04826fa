//! A point in time until which a futex is waited for.

use std::error::Error;
use std::fmt;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

/// The time was up before what was waited for came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("timed out: wait longer, or find out who does not let go")
    }
}

impl Error for TimedOut {}

/// When a wait ends at the latest, on the monotonic clock. Kept as a point in time, because a wait
/// that is begun again with the whole duration after each signal or wake-up might never end.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// `timeout` from now; never, if that is beyond what the clock can tell.
    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// Sleeps while `word` is `expected`, as [`futex::wait`], which may return for no reason; an
    /// error if the time is up.
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
