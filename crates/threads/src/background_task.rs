//! A task in the background: it tells how far it is, can be told to stop, and is waited for.

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
///         task.check()?; // a place to stop at
///         sum += n;
///         task.report(n, 10);
///     }
///     Ok::<_, threads::Cancelled>(sum)
/// })?;
/// // … this thread does other things, and may look at task.progress() …
/// assert_eq!(task.join().unwrap(), Ok(55));
/// # std::io::Result::Ok(())
/// ```
///
/// Cancelling is a request: Rust, like POSIX in practice, has no safe way to end a thread from
/// outside, because nobody would release its locks and its memory. The task stops where it asks.
///
/// Dropping this cancels the task and waits for its end, and a panic of the task is then dropped
/// too; [`join`](Self::join) tells of it.
pub struct BackgroundTask<T> {
    state: Arc<Monitor<State>>,
    /// `None` once it is joined.
    thread: Option<JoinHandle<T>>,
}

/// How far a task is, in a unit of its own choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// So much is done.
    pub done: u64,
    /// Out of so much; 0 if nothing has been reported yet.
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
    /// The system's, if it refuses a thread, as a rule EAGAIN (pthread_create(3)); then `f` is
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
        // `task` is dropped at the end of `f`, by a panic too, and that says that it has finished.
        let thread = Builder::new().name(name.into()).spawn(move || f(&task))?;
        Ok(Self {
            state,
            thread: Some(thread),
        })
    }
}

impl<T> BackgroundTask<T> {
    /// How far the task is, by its last report.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.state.enter().progress
    }

    /// Sleeps until the progress is as `wanted`, or the task has ended; the progress then.
    pub fn wait_for(&self, mut wanted: impl FnMut(Progress) -> bool) -> Progress {
        self.state
            .enter_when_not(|state| !state.finished && !wanted(state.progress))
            .progress
    }

    /// Sleeps until the task has ended, for `timeout` at most.
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

    /// Sleeps until the task has ended; what it returned.
    ///
    /// # Errors
    /// The payload of its panic.
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
        // A task that owns its own handle would wait for itself; it ends by itself then.
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

/// The task's side: it tells how far it is, and asks whether to stop.
pub struct Task {
    state: Arc<Monitor<State>>,
}

impl Task {
    /// So much is done, out of so much.
    pub fn report(&self, done: u64, total: u64) {
        self.state
            .update(|state| state.progress = Progress { done, total });
    }

    /// Whether the task should stop. Ask often enough that nobody has to wait for the answer.
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
    /// cannot be told.
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

/// The task was asked to stop, and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cancelled before it was done")
    }
}

impl Error for Cancelled {}
