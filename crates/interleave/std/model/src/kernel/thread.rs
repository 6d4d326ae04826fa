//! Modelled threads: whether they can run, and what they wait for.

use std::any::Any;

use super::{Place, engine::ObjectId, event::Step, failure::At};

/// What a blocked thread waits for.
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
    Sleep,
}

/// Whether a thread can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can run.
    Ready,
    /// It can run only when another thread wakes it.
    Blocked(Wait),
    /// It can run when another thread wakes it, or at this time of the virtual clock, in
    /// nanoseconds. To run it while nobody has woken it means that its time is up.
    Timed(Wait, u64),
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
    /// The object that stands for it.
    pub object: ObjectId,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Whether it can run.
    pub status: Status,
    /// When it began to wait: waiters are woken in the order in which they began.
    pub since: u64,
    /// What it will do when it is scheduled next; `None` before its first step.
    pub next: Option<Step>,
    /// Where it is, or waits.
    pub at: Place,
    /// How often in a row it has seen only what it had seen before.
    pub idle: i32,
    /// What it has seen since it last changed something. A change of one of these objects ends a
    /// spin.
    pub seen: Vec<(ObjectId, u64)>,
    /// Whether it spins: then others go first.
    pub spinning: bool,
    /// Fences since its last step.
    pub fences: u32,
    /// Whether a weak compare-exchange of this thread has already failed for no reason.
    pub has_failed_spuriously: bool,
    /// The token of `park` and `unpark`.
    pub token: bool,
    /// The last panic raised in it.
    pub panic: Option<PanicNote>,
    /// Whether it ended by a panic that no `join` has seen.
    pub unobserved_panic: bool,
    /// Whether a panic was raised in it that may still be unwinding.
    pub unwinding: bool,
    /// Its thread-local values by the address of their key; `None` once destroyed.
    pub locals: Vec<(usize, Option<Box<dyn Any>>)>,
}

impl Thread {
    /// A thread that has not begun.
    #[must_use]
    pub fn new(object: ObjectId, name: Option<String>, at: Place) -> Self {
        Self {
            object,
            name,
            status: Status::Ready,
            since: 0,
            next: None,
            at,
            idle: 0,
            fences: 0,
            seen: Vec::new(),
            spinning: false,
            has_failed_spuriously: false,
            token: false,
            panic: None,
            unobserved_panic: false,
            unwinding: false,
            locals: Vec::new(),
        }
    }

    /// What it waits for, with or without a deadline.
    #[must_use]
    pub fn wait(&self) -> Option<Wait> {
        match self.status {
            Status::Blocked(wait) | Status::Timed(wait, _) => Some(wait),
            Status::Ready | Status::Finished => None,
        }
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
