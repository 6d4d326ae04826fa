//! What the checker says of a circle.

use super::Place;
use std::error::Error;
use std::fmt;
use std::panic::Location;

/// Taking this lock now could deadlock; it was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderViolation {
    pub(super) circle: Vec<Arrow>,
    pub(super) held_since: Place,
}

/// One lock was taken while another was held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The name of the lock that was held.
    pub holding: String,
    /// The name of the lock that was taken.
    pub taken: String,
    /// Where that was.
    pub at: &'static Location<'static>,
}

impl OrderViolation {
    /// The circle: what one arrow's thread takes, the next arrow's holds. The last arrow is the
    /// refused one, and the only one if a lock would have been taken twice.
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
