//! The two ends of a job: the worker completes it, somebody waits for it.

use crate::{Payload, message_of};
use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use sync::Monitor;

/// Waits for the result of one job. Dropping it lets the job run without anybody waiting.
pub struct JobHandle<R> {
    outcome: Arc<Monitor<Outcome<R>>>,
}

enum Outcome<R> {
    /// It is queued, or running.
    Pending,
    Done(R),
    Panicked(Payload),
    /// It was dropped before it began.
    Dropped,
}

impl<R> JobHandle<R> {
    /// Sleeps until the job has ended; its result.
    ///
    /// # Errors
    /// [`JobError`]: it panicked, or was dropped without having begun.
    pub fn wait(self) -> Result<R, JobError> {
        let mut outcome = self
            .outcome
            .enter_when_not(|outcome| matches!(outcome, Outcome::Pending));
        match mem::replace(&mut *outcome, Outcome::Dropped) {
            Outcome::Done(result) => Ok(result),
            Outcome::Panicked(payload) => Err(JobError::Panicked(payload)),
            Outcome::Pending | Outcome::Dropped => Err(JobError::Dropped),
        }
    }

    /// Whether the job has ended, or was dropped; then [`wait`](Self::wait) does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !matches!(*self.outcome.enter(), Outcome::Pending)
    }
}

impl<R> fmt::Debug for JobHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// There is no result.
pub enum JobError {
    /// The job panicked, with this.
    Panicked(Payload),
    /// The pool was shut down before the job began.
    Dropped,
}

impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(payload) => f
                .debug_tuple("Panicked")
                .field(&message_of(&**payload))
                .finish(),
            Self::Dropped => f.write_str("Dropped"),
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(payload) => write!(f, "the job panicked: {}", message_of(&**payload)),
            Self::Dropped => {
                f.write_str("the pool was shut down before the job began; submit it to another")
            }
        }
    }
}

impl Error for JobError {}

/// The worker's end. Dropped without having run, it says so.
pub(super) struct Completer<R> {
    outcome: Arc<Monitor<Outcome<R>>>,
}

impl<R> Completer<R> {
    pub(super) fn new() -> (Self, JobHandle<R>) {
        let outcome = Arc::new(Monitor::new(Outcome::Pending));
        let handle = JobHandle {
            outcome: Arc::clone(&outcome),
        };
        (Self { outcome }, handle)
    }

    pub(super) fn run(self, job: impl FnOnce() -> R) {
        let outcome = match catch_unwind(AssertUnwindSafe(job)) {
            Ok(result) => Outcome::Done(result),
            Err(payload) => Outcome::Panicked(payload),
        };
        self.outcome.update(|pending| *pending = outcome);
    }
}

impl<R> Drop for Completer<R> {
    fn drop(&mut self) {
        self.outcome.update(|outcome| {
            if matches!(outcome, Outcome::Pending) {
                *outcome = Outcome::Dropped;
            }
        });
    }
}
