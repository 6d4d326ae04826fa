//! What the checker reports about a cycle.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use super::Place;

/// The error when taking a lock could deadlock. The lock was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderViolation {
    pub(super) circle: Vec<Arrow>,
    pub(super) held_since: Place,
}

/// A thread took one lock while it held another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The name of the lock that was held.
    pub holding: String,
    /// The name of the lock that was taken.
    pub taken: String,
    /// Where in the source the thread took the second lock.
    pub at: &'static Location<'static>,
}

impl OrderViolation {
    /// The cycle of arrows. The lock that is taken in one arrow is the lock that is held in the
    /// next one. The last arrow is the refused one. It is the only arrow if the thread tried to
    /// take a lock that it already held.
    #[must_use]
    pub fn circle(&self) -> &[Arrow] {
        &self.circle
    }
}

impl fmt::Display for OrderViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((refused, elsewhere)) = self.circle.split_last() else {
            return f.write_str("an empty circle");
        };
        let (wanted, held, since) = (&refused.taken, &refused.holding, self.held_since);
        if elsewhere.is_empty() {
            return write!(
                f,
                "taking `{wanted}` at {} would wait for ever: this thread has held it since {since}; release it first",
                refused.at
            );
        }
        write!(
            f,
            "taking `{wanted}` at {} can deadlock: `{wanted}`",
            refused.at
        )?;
        for arrow in &self.circle {
            write!(f, " → `{}`", arrow.taken)?;
        }
        write!(f, "\n  this thread has held `{held}` since {since}")?;
        for Arrow { holding, taken, at } in elsewhere {
            write!(f, "\n  `{taken}` was taken under `{holding}` at {at}")?;
        }
        f.write_str("\n  take them in the same order everywhere")
    }
}

impl Error for OrderViolation {}
