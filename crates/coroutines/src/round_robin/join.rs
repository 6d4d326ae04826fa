//! How a fiber ended, and which fibers wait for its end.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::thread::Result;

/// A handle to what a fiber returns. Dropping it does not stop the fiber.
pub struct JoinHandle<T> {
    outcome: Rc<Outcome<T>>,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(outcome: Rc<Outcome<T>>) -> Self {
        Self { outcome }
    }

    pub(super) fn into_outcome(self) -> Rc<Outcome<T>> {
        self.outcome
    }

    /// Returns whether the fiber has ended, by returning or by a panic.
    pub fn is_finished(&self) -> bool {
        self.outcome.ended.get()
    }

    /// Returns what the fiber returned or panicked with, or `None` if it has
    /// not ended. This is for the code outside the fibers, after
    /// [`run`](super::RoundRobin::run). A fiber waits for another fiber with
    /// [`join`](super::Turn::join).
    pub fn into_result(self) -> Option<Result<T>> {
        self.outcome.take()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// The end of a fiber with any return type.
pub(super) trait Ending {
    fn panicked(&self, payload: Box<dyn Any + Send>);

    /// Adds a fiber that waits for this end. Returns false, without adding it,
    /// if the end has come already.
    fn wait(&self, fiber: usize) -> bool;

    /// Takes the waiting fibers, in the order in which they came.
    fn waiters(&self) -> Vec<usize>;
}

pub(super) struct Outcome<T> {
    result: RefCell<Option<Result<T>>>,
    ended: Cell<bool>,
    waiters: RefCell<Vec<usize>>,
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Self {
            result: RefCell::new(None),
            ended: Cell::new(false),
            waiters: RefCell::default(),
        }
    }
}

impl<T> Outcome<T> {
    pub(super) fn returned(&self, value: T) {
        self.set(Ok(value));
    }

    pub(super) fn take(&self) -> Option<Result<T>> {
        self.result.borrow_mut().take()
    }

    fn set(&self, result: Result<T>) {
        *self.result.borrow_mut() = Some(result);
        self.ended.set(true);
    }
}

impl<T> Ending for Outcome<T> {
    fn panicked(&self, payload: Box<dyn Any + Send>) {
        self.set(Err(payload));
    }

    fn wait(&self, fiber: usize) -> bool {
        let waits = !self.ended.get();
        if waits {
            self.waiters.borrow_mut().push(fiber);
        }
        waits
    }

    fn waiters(&self) -> Vec<usize> {
        self.waiters.take()
    }
}
