//! What a thread did, for timelines.

use std::sync::atomic::Ordering;

use super::{Place, object::ObjectId};

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
    /// Where the newest value was stored, if it read an older one.
    pub newer: Option<Place>,
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
            newer: None,
        }
    }
}
