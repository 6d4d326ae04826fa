//! What a thread is about to do, and what it did.

use std::sync::atomic::Ordering;

use super::{Place, engine::ObjectId};

/// The operation that a thread will do when it is scheduled next, as far as the objects that it
/// touches. Two steps that touch no common object, or only read it, commute: the explorer need not
/// try them in both orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Step {
    touches: [Option<(ObjectId, bool)>; 2],
    everything: bool,
}

impl Step {
    /// Touches nothing that others can see.
    pub const LOCAL: Self = Self {
        touches: [None, None],
        everything: false,
    };

    /// Depends on everything: its order against any other step matters.
    pub const GLOBAL: Self = Self {
        touches: [None, None],
        everything: true,
    };

    /// Looks at an object without changing it.
    #[must_use]
    pub const fn read(object: ObjectId) -> Self {
        Self {
            touches: [Some((object, false)), None],
            everything: false,
        }
    }

    /// Changes an object.
    #[must_use]
    pub const fn write(object: ObjectId) -> Self {
        Self {
            touches: [Some((object, true)), None],
            everything: false,
        }
    }

    /// Changes two objects at once.
    #[must_use]
    pub const fn both(one: ObjectId, other: ObjectId) -> Self {
        Self {
            touches: [Some((one, true)), Some((other, true))],
            everything: false,
        }
    }

    /// Whether the order of the two steps makes no difference.
    #[must_use]
    pub fn commutes(&self, other: &Self) -> bool {
        if self.everything || other.everything {
            return false;
        }
        self.touches.iter().flatten().all(|(object, write)| {
            other
                .touches
                .iter()
                .flatten()
                .all(|(theirs, written)| object != theirs || !(*write || *written))
        })
    }
}

/// What an operation returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// Nothing worth showing.
    Nothing,
    /// A value of the object.
    Value(u64),
    /// A compare-exchange that succeeded, with the old value.
    Ok(u64),
    /// A compare-exchange that failed, with the value found.
    Err(u64),
    /// A weak compare-exchange that failed although it found the expected value, which is this.
    SpuriousErr(u64),
    /// A word, such as `locked` or `would block`.
    Word(&'static str),
}

/// One operation that happened.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The thread that did it.
    pub thread: usize,
    /// Where in the source.
    pub at: Place,
    /// The object, if one is concerned.
    pub object: Option<ObjectId>,
    /// The method, as the learner calls it.
    pub verb: &'static str,
    /// Its arguments that are values of the object.
    pub arguments: [Option<u64>; 2],
    /// Its memory ordering.
    pub order: Option<Ordering>,
    /// What it returned.
    pub returned: Returned,
}

impl Event {
    /// An event that has no object, arguments or result yet.
    #[must_use]
    pub fn new(thread: usize, verb: &'static str, at: Place) -> Self {
        Self {
            thread,
            at,
            object: None,
            verb,
            arguments: [None, None],
            order: None,
            returned: Returned::Nothing,
        }
    }
}
