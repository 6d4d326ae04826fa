//! A job with its two ends: a worker runs it, and a handle waits for it.
//!
//! Both ends share one allocation, in which the closure is replaced by its result. Each end knows
//! only what it needs: the queue holds jobs of any type, and a handle does not know the type of the
//! closure.

use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sync::Monitor;

use crate::{Payload, message_of};

/// Makes an entry for the queue, and a handle for the thread that waits.
pub(super) fn job<R, F>(f: F) -> (Queued, JobHandle<R>)
where
    R: Send + 'static,
    F: FnOnce() -> R + Send + 'static,
{
    let job = Arc::new(Monitor::new(State::ToDo(f)));
    let promise = Promise(Some(Arc::clone(&job) as _));
    (Queued::Awaited(promise), JobHandle { job })
}

enum State<F, R> {
    /// In the queue.
    ToDo(F),
    Running,
    Done(R),
    Panicked(Payload),
    /// The job was dropped before it began, or its result was taken.
    Gone,
}

/// Waits for the result of one job. If the handle is dropped, the job runs all the same.
pub struct JobHandle<R> {
    job: Arc<dyn Awaited<R>>,
}

impl<R> JobHandle<R> {
    /// Sleeps until the job has ended, and returns its result.
    ///
    /// # Errors
    /// [`JobError`] if the job panicked or was dropped before it began.
    pub fn wait(self) -> Result<R, JobError> {
        self.job.wait()
    }

    /// Whether the job has ended, or was dropped; then [`wait`](Self::wait) does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.job.is_finished()
    }
}

impl<R> fmt::Debug for JobHandle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("finished", &self.is_finished())
            .finish()
    }
}

/// The handle's view of a job.
trait Awaited<R>: Send + Sync {
    fn wait(&self) -> Result<R, JobError>;
    fn is_finished(&self) -> bool;
}

impl<F: FnOnce() -> R + Send, R: Send> Awaited<R> for Monitor<State<F, R>> {
    fn wait(&self) -> Result<R, JobError> {
        let unfinished = |state: &mut State<F, R>| matches!(state, State::ToDo(_) | State::Running);
        let mut state = self.enter_when_not(unfinished);
        match mem::replace(&mut *state, State::Gone) {
            State::Done(result) => Ok(result),
            State::Panicked(payload) => Err(JobError::Panicked(payload)),
            State::ToDo(_) | State::Running | State::Gone => Err(JobError::Dropped),
        }
    }

    fn is_finished(&self) -> bool {
        !matches!(*self.enter(), State::ToDo(_) | State::Running)
    }
}

/// A job in the queue.
pub(super) enum Queued {
    /// A job without a handle.
    Alone(Box<dyn FnOnce() + Send>),
    /// A job with a handle.
    Awaited(Promise),
}

impl Queued {
    /// Runs the job. If the job has a handle, the handle gets a panic of the job. A panic that
    /// leaves this function is then one in the destructor of a result whose handle was dropped.
    pub(super) fn run(self) {
        match self {
            Self::Alone(job) => job(),
            Self::Awaited(mut promise) => {
                if let Some(job) = promise.0.take() {
                    job.run();
                }
            }
        }
    }
}

/// The queue's end of a job with a handle. If it is dropped before the job has run, it tells the
/// thread that waits.
pub(super) struct Promise(Option<Arc<dyn Run>>);

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(job) = self.0.take() {
            job.give_up();
        }
    }
}

/// The worker's view of a job.
trait Run: Send + Sync {
    fn run(&self);
    fn give_up(&self);
}

impl<F: FnOnce() -> R + Send, R: Send> Run for Monitor<State<F, R>> {
    fn run(&self) {
        let taken = mem::replace(&mut *self.enter(), State::Running);
        let State::ToDo(f) = taken else {
            return;
        };
        let end = match catch_unwind(AssertUnwindSafe(f)) {
            Ok(result) => State::Done(result),
            Err(payload) => State::Panicked(payload),
        };
        self.update(|state| *state = end);
    }

    fn give_up(&self) {
        // The closure is dropped afterwards, outside the lock, because it may own anything.
        let _closure = self.update(|state| mem::replace(state, State::Gone));
    }
}

/// Why a job has no result.
pub enum JobError {
    /// The job panicked with this payload.
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
