//! Threads that end when they should.
//!
//! Starting a thread takes one line. The questions come afterwards: which thread waits for it,
//! which thread learns of its panic, how is it told to stop, and how many threads are there? Each
//! module answers them for one use:
//!
//! | to | use |
//! |---|---|
//! | apply a function to many items and get all results | [`map`] |
//! | run one long task in the background | [`BackgroundTask`] |
//! | keep a value for each thread and collect the values | [`PerThread`] |
//! | run jobs as they come, a limited number at a time | [`Pool`] |
//! | divide and conquer | [`ForkJoin`], [`join`] |
//!
//! ```
//! let squares = threads::map(4, 1..=5, |n| n * n);
//! assert_eq!(squares, [1, 4, 9, 16, 25]);
//! ```
//!
//! # What holds for all of them
//!
//! - **No thread is left behind.** Dropping the value that started a thread waits for the thread's
//!   end.
//! - **A panic ends the work that panicked, not a worker**, and its payload reaches the code that
//!   asked for that work. No library can contain the end of the whole process: `abort`, `exit`, a
//!   stack overflow, a panic while panicking. Use processes to contain these.
//! - **A waiting thread sleeps**, and signals do not end its wait.
//!
//! # How this is tested
//!
//! As in `sync`, the same sources are compiled two more times: against a standard library that
//! explores schedules, and against one that explores memory orderings. See `tests/explored.rs`.

mod background_task;
pub mod fork_join;
mod map;
mod per_thread;
mod pool;

use std::any::Any;

pub use background_task::{BackgroundTask, Cancelled, Progress, Task};
pub use fork_join::{ForkJoin, join};
pub use map::map;
pub use per_thread::PerThread;
pub use pool::{JobError, JobHandle, Pool, PoolError, Rejected, Why};

/// The payload of a panic, usually a `&str` or a `String`.
pub type Payload = Box<dyn Any + Send>;

/// The message of a panic, or a fixed text if the panic has none.
///
/// ```
/// let payload = std::thread::spawn(|| panic!("no {}", "milk")).join().unwrap_err();
/// assert_eq!(threads::message_of(&*payload), "no milk");
/// ```
#[must_use]
pub fn message_of(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a message"
    }
}
