//! A background task that reports its progress, can be cancelled, and can be waited for.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use sync::{Monitor, TimedOut};

/// A long-running task in a thread of its own.
///
/// ```
/// use threads::BackgroundTask;
///
/// let task = BackgroundTask::spawn("adding up", |task| {
///     let mut sum = 0;
///     for n in 1..=10 {
///         task.check()?; // stops here if the task was cancelled
///         sum += n;
///         task.report(n, 10);
///     }
///     Ok::<_, threads::Cancelled>(sum)
/// })?;
/// // … this thread does other things, and may call task.progress() …
/// assert_eq!(task.join().unwrap(), Ok(55));
/// # std::io::Result::Ok(())
/// ```
///
/// Cancelling is only a request. Rust, like POSIX in practice, has no safe way to end a thread from
/// outside, because nothing would release the thread's locks and memory. The task stops where it
/// asks whether to stop.
///
/// Dropping this value cancels the task and waits for its end. It discards a panic of the task;
/// [`join`](Self::join) returns the panic.
pub struct BackgroundTask<T> {
    state: Arc<Monitor<State>>,
    /// `None` once it is joined.
    thread: Option<JoinHandle<T>>,
}

/// The progress of a task, in a unit that the task chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How many units are done.
    pub done: u64,
    /// How many units there are in all; 0 if the task has not reported yet.
    pub total: u64,
}

#[derive(Default)]
struct State {
    progress: Progress,
    cancelled: bool,
    finished: bool,
}

impl<T: Send + 'static> BackgroundTask<T> {
    /// Starts `f` in a thread named `name`.
    ///
    /// # Errors
    /// The system's error if it refuses a thread, usually EAGAIN (pthread_create(3)). `f` is then
    /// dropped.
    ///
    /// # Panics
    /// If `name` contains a NUL byte.
    pub fn spawn(
        name: impl Into<String>,
        f: impl FnOnce(&Task) -> T + Send + 'static,
    ) -> io::Result<Self> {
        let state = Arc::new(Monitor::new(State::default()));
        let task = Task {
            state: Arc::clone(&state),
        };
        // `task` is dropped when `f` ends, also by a panic. Dropping it marks the task as finished.
        let thread = Builder::new().name(name.into()).spawn(move || f(&task))?;
        Ok(Self {
            state,
            thread: Some(thread),
        })
    }
}

impl<T> BackgroundTask<T> {
    /// The progress that the task reported last.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.state.enter().progress
    }

    /// Sleeps until `wanted` returns true for the progress, or the task has ended. Returns the
    /// progress at that moment.
    pub fn wait_for(&self, mut wanted: impl FnMut(Progress) -> bool) -> Progress {
        self.state
            .enter_when_not(|state| !state.finished && !wanted(state.progress))
            .progress
    }

    /// Sleeps until the task has ended, but for `timeout` at most.
    ///
    /// # Errors
    /// [`TimedOut`] if it had not ended by then.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), TimedOut> {
        let mut inside = self.state.enter();
        inside.wait_while_for(|only| only, timeout, |state| !state.finished)
    }

    /// Whether the task has ended; then [`join`](Self::join) does not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state.enter().finished
    }

    /// Asks the task to stop, and wakes it if it is in [`Task::sleep`]. Does not wait.
    pub fn cancel(&self) {
        self.state.update(|state| state.cancelled = true);
    }

    /// Sleeps until the task has ended, and returns its result.
    ///
    /// # Errors
    /// The payload of the panic, if the task panicked.
    pub fn join(mut self) -> thread::Result<T> {
        match self.thread.take() {
            Some(thread) => thread.join(),
            None => unreachable!("only `join` and `drop` take the thread, and both are the last"),
        }
    }
}

impl<T> Drop for BackgroundTask<T> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.cancel();
        // If the task owns its own handle, this thread is the task's thread and would wait for
        // itself. It does not wait, and ends by itself.
        if thread.thread().id() != thread::current().id() {
            let _panic_or_result = thread.join();
        }
    }
}

impl<T> fmt::Debug for BackgroundTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackgroundTask")
            .field("progress", &self.progress())
            .finish_non_exhaustive()
    }
}

/// The task's side: with it the task reports its progress and asks whether to stop.
pub struct Task {
    state: Arc<Monitor<State>>,
}

impl Task {
    /// Reports that `done` units of `total` are done.
    pub fn report(&self, done: u64, total: u64) {
        self.state
            .update(|state| state.progress = Progress { done, total });
    }

    /// Whether the task should stop. Ask often, so that the task stops soon after it is cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.state.enter().cancelled
    }

    /// [`is_cancelled`](Self::is_cancelled), for use with `?`.
    ///
    /// # Errors
    /// [`Cancelled`] if the task should stop.
    pub fn check(&self) -> Result<(), Cancelled> {
        if self.is_cancelled() {
            return Err(Cancelled);
        }
        Ok(())
    }

    /// Sleeps for `duration`, or until the task should stop. A thread in [`std::thread::sleep`]
    /// cannot be woken early.
    ///
    /// # Errors
    /// [`Cancelled`] if the task should stop.
    pub fn sleep(&self, duration: Duration) -> Result<(), Cancelled> {
        let mut inside = self.state.enter();
        match inside.wait_while_for(|only| only, duration, |state| !state.cancelled) {
            Ok(()) => Err(Cancelled),
            Err(TimedOut) => Ok(()),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.state.update(|state| state.finished = true);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

/// The task was asked to stop, and it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled before it was done")
    }
}

impl Error for Cancelled {}
