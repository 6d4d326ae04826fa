//! The errors of a ring.

use std::{error, fmt};

use crate::turns::Lie;

/// Why a ring cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RingError {
    /// The other side is closed: the last process that held it dropped it or
    /// died. The consumer gets this error only when the ring is empty.
    Closed,
    /// The other side wrote an impossible counter: the ring would hold more
    /// items than it has slots. Nothing was read or written.
    Corrupt {
        /// How many items the ring would hold.
        filled: u32,
        /// How many items the ring can hold.
        capacity: u32,
    },
}

impl From<Lie> for RingError {
    fn from(lie: Lie) -> RingError {
        let Lie { filled, capacity } = lie;
        RingError::Corrupt { filled, capacity }
    }
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RingError::Closed => f.write_str("the other side closed the ring"),
            RingError::Corrupt { filled, capacity } => write!(
                f,
                "the other side claims that a ring for {capacity} items holds {filled}: \
                 its memory is corrupt, or it is malicious; make a new ring"
            ),
        }
    }
}

impl error::Error for RingError {}
