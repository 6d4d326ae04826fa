//! How a task ended, and the waker to call when it ends.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use super::queue::Key;
use super::table::Table;

/// A handle that is awaited to get a task's output. Dropping the handle does
/// not stop the task.
pub struct JoinHandle<T> {
    outcome: Rc<Outcome<T>>,
    table: Weak<Table>,
    key: Key,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(outcome: Rc<Outcome<T>>, table: Weak<Table>, key: Key) -> Self {
        Self {
            outcome,
            table,
            key,
        }
    }

    /// Drops the task wherever it waits, so that the destructors of its
    /// variables run. A task that cancels itself is dropped when it next
    /// returns `Pending`. Cancelling a task that has ended has no effect.
    pub fn cancel(self) {
        if let Some(table) = self.table.upgrade() {
            drop(table.free(self.key));
        }
    }

    /// Returns whether the task has returned, panicked or been cancelled.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.outcome.0.borrow(), State::Runs(_))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// If it is polled again after it has returned `Ready`.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.outcome.0.borrow_mut();
        match &mut *state {
            State::Runs(waker) => {
                // Only the last waker counts, because the handle may have moved
                // to another task.
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
            State::Ended(result) => match result.take() {
                Some(result) => Poll::Ready(result),
                None => panic!("a JoinHandle was polled after it was ready"),
            },
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Why a task has no output.
#[derive(Debug)]
pub enum JoinError {
    /// The task panicked with this payload.
    Panicked(Box<dyn Any + Send>),
    /// The task was dropped before its end.
    Cancelled,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(payload) => match message(payload.as_ref()) {
                Some(message) => write!(f, "the task panicked: {message}"),
                None => f.write_str("the task panicked"),
            },
            Self::Cancelled => f.write_str("the task was cancelled before its end"),
        }
    }
}

impl std::error::Error for JoinError {}

/// Returns the message of a panic, if its payload is a string.
fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    let literal = payload.downcast_ref::<&str>().copied();
    literal.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// The end of a task with any type of output.
pub(super) trait Ending {
    fn panicked(&self, payload: Box<dyn Any + Send>);
    fn cancelled(&self);
}

pub(super) struct Outcome<T>(RefCell<State<T>>);

enum State<T> {
    /// Holds the waker from the last poll of the [`JoinHandle`].
    Runs(Option<Waker>),
    /// Holds the result until the [`JoinHandle`] takes it.
    Ended(Option<Result<T, JoinError>>),
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Self(RefCell::new(State::Runs(None)))
    }
}

impl<T> Outcome<T> {
    pub(super) fn returned(&self, value: T) {
        self.end(Ok(value));
    }

    /// Stores how the task ended. Only the first call has an effect.
    fn end(&self, result: Result<T, JoinError>) {
        let mut state = self.0.borrow_mut();
        if let State::Runs(waker) = &mut *state {
            let waker = waker.take();
            *state = State::Ended(Some(result));
            drop(state); // the waker may look at the outcome at once
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> Ending for Outcome<T> {
    fn panicked(&self, payload: Box<dyn Any + Send>) {
        self.end(Err(JoinError::Panicked(payload)));
    }

    fn cancelled(&self) {
        self.end(Err(JoinError::Cancelled));
    }
}
