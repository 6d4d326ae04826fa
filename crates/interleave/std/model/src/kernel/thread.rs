//! Modelled threads: what they are about to do, and what they wait for.

use std::any::Any;
use std::collections::HashMap;

use interleave_search::{Op, Source};

use super::fibers::Way;
use super::looks::Looks;
use super::{Place, failure::At, object::ObjectId};

/// Where the virtual clock starts: late enough that an `Instant` may be set back by a day.
const EPOCH: u64 = 2 * 86_400 * 1_000_000_000;

/// What a thread waits for when it cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Wait {
    Lock(ObjectId),
    Condvar(ObjectId),
    Join(usize),
    Scope,
    Park,
    Receive(ObjectId),
    Send(ObjectId),
    Barrier(ObjectId),
    Once(ObjectId),
    Futex(ObjectId),
    /// It reads the same again and again, until another thread changes it.
    Change(ObjectId),
}

/// Where a thread is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It has not run yet.
    Fresh,
    /// It runs, or has announced what it will do next.
    Alive,
    /// It has ended.
    Finished,
}

/// A panic that the hook saw.
#[derive(Clone, Debug)]
pub struct PanicNote {
    /// The message.
    pub message: String,
    /// Where it was raised.
    pub at: Option<At>,
}

/// A modelled thread.
pub struct Thread {
    /// The object that stands for it. Its words are the token of `park`, and whether its closure has
    /// ended.
    pub object: ObjectId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it is in its life.
    pub status: Status,
    /// What it will do next, once it has announced that.
    pub next: Option<Op>,
    /// What it waits for if that is not possible.
    pub wait: Option<Wait>,
    /// Whether the wait has a time limit that could end it.
    pub is_timed: bool,
    /// In which two ways it can go on, if that is what it will do next.
    pub ways: [&'static str; 2],
    /// What the log says if it has to wait, while it has not said that.
    pub(crate) waits: Option<super::event::Event>,
    /// Whether it is about to end, and tells that only to those who ask.
    pub(crate) ends: bool,
    /// Where it is, or waits.
    pub at: Place,
    /// What it has seen.
    pub(crate) looks: Looks,
    /// For each word that it has read, the store that it read last.
    pub(crate) seen: HashMap<usize, Source>,
    /// How many time limits in a row have ended its waits without any news from another thread.
    pub(crate) timeouts: u32,
    /// Its virtual clock, in nanoseconds.
    pub clock: u64,
    /// How often in a row it has read the clock.
    pub(crate) clock_reads: u32,
    /// Fences since its last other operation.
    pub(crate) fences: u32,
    /// How often a weak compare-exchange of this thread has failed for no reason.
    pub(crate) spurious_failures: u32,
    /// How often a wait of this thread has ended for no reason.
    pub(crate) spurious_wakes: u32,
    /// The last panic raised in it.
    pub panic: Option<PanicNote>,
    /// Whether it ended by a panic that no `join` has seen.
    pub unobserved_panic: bool,
    /// Whether a panic was raised in it that may still be unwinding.
    pub unwinding: bool,
    /// Its thread-local values by the address of their key; `None` once destroyed.
    pub locals: Vec<(usize, Option<Box<dyn Any>>)>,
    /// With what its coroutine suspends.
    pub(super) way: *const Way,
}

impl Thread {
    /// A thread that has not run.
    #[must_use]
    pub fn new(object: ObjectId, name: Option<String>, at: Place) -> Self {
        Self {
            object,
            name,
            status: Status::Fresh,
            next: None,
            wait: None,
            is_timed: false,
            ways: ["", ""],
            waits: None,
            ends: false,
            at,
            looks: Looks::default(),
            seen: HashMap::new(),
            timeouts: 0,
            clock: EPOCH,
            clock_reads: 0,
            fences: 0,
            spurious_failures: 0,
            spurious_wakes: 0,
            panic: None,
            unobserved_panic: false,
            unwinding: false,
            locals: Vec::new(),
            way: std::ptr::null(),
        }
    }

    /// Whether it has announced an operation and not performed it.
    #[must_use]
    pub fn is_about_to(&self) -> Option<Op> {
        self.next.filter(|_| self.status == Status::Alive)
    }
}

impl Thread {
    /// Whether it reads the same again and again, until another thread changes it.
    #[must_use]
    pub fn spins(&self) -> bool {
        self.looks.spins().is_some()
    }
}

/// The letter under which a thread is shown: `a` is the one that runs the scenario.
#[must_use]
pub fn letter(thread: usize) -> String {
    match u8::try_from(thread) {
        Ok(small) if small < 26 => char::from(b'a' + small).to_string(),
        _ => format!("t{thread}"),
    }
}
