//! What a run asks and is told.

use std::fmt;

use crate::event::{EventId, Op};
use crate::graph::Source;
use crate::schedule::{self, Step};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every thread has ended.
    Finished,
    /// The threads that are left wait for ever.
    Blocked,
    /// Another run shows the same execution, or will show it. This one need not go on.
    Repeated,
    /// The schedule wants a step of a thread that has ended, or has not begun.
    Astray,
}

/// Where a thread is in a run: between two events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub(super) thread: usize,
    /// How many of its events have been performed.
    pub(super) events: usize,
}

/// What an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The value that it read.
    pub read: u64,
    /// The value that it stored, if it stored one.
    pub written: Option<u64>,
    /// The number of the choice that it took, where it had one (see [`Event::choice`]).
    ///
    /// [`Event::choice`]: crate::Event::choice
    pub choice: usize,
    /// The store that it read.
    pub from: Source,
    /// The event that it is.
    pub id: EventId,
}

/// Why an operation cannot be performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stray {
    /// The program did not repeat itself: with the same values read, it did something else.
    Unrepeatable { before: Op, now: Op },
    /// The schedule wants what the memory model forbids here, or a choice that there is not.
    Impossible { step: Step, op: Op },
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stray::Unrepeatable { before, now } => write!(
                f,
                "the program did not repeat itself: it read the same values, but where it did {before:?}, it now did {now:?}"
            ),
            Stray::Impossible { step, op } => write!(
                f,
                "the schedule belongs to another program: its step {} is not possible for {op:?}",
                schedule::write(&[*step])
            ),
        }
    }
}

impl std::error::Error for Stray {}
