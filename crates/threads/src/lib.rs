//! Threads that end when they should.
//!
//! Starting a thread is one line. The questions come afterwards: who waits for it, who hears of its
//! panic, how is it told to stop, and how many are there? Each module is an answer for one use:
//!
//! | to | use |
//! |---|---|
//! | do the same to many items, and have all results | [`map`] |
//! | do one long thing beside other things | [`BackgroundTask`] |
//! | keep a value for each thread, and collect them | [`PerThread`] |
//! | run jobs as they come, some at a time | [`Pool`] |
//! | divide and conquer | [`ForkJoin`], [`join`] |
//!
//! ```
//! let squares = threads::map(4, 1..=5, |n| n * n);
//! assert_eq!(squares, [1, 4, 9, 16, 25]);
//! ```
//!
//! # What holds for all of them
//!
//! - **No thread is left behind.** Dropping what started it waits for its end.
//! - **A panic ends the work that panicked, not a worker**, and its payload reaches whoever asked
//!   for that work. What no library can contain is the end of the process: `abort`, `exit`, a stack
//!   overflow, a panic while panicking. For that there are processes.
//! - **Who waits sleeps**, and signals do not end a wait.
//!
//! # How this is tested
//!
//! As in `sync`, the same sources are compiled two more times, against a std whose schedules are
//! explored and against one whose memory orderings are; see `tests/explored.rs`.

mod background_task;
pub mod fork_join;
mod map;
mod per_thread;
mod pool;

pub use background_task::{BackgroundTask, Cancelled, Progress, Task};
pub use fork_join::{ForkJoin, join};
pub use map::map;
pub use per_thread::PerThread;
pub use pool::{JobError, JobHandle, Pool, PoolError, Rejected, Why};

use std::any::Any;

/// What a panic carries: as a rule a `&str` or a `String`.
pub type Payload = Box<dyn Any + Send>;

/// The message of a panic, if it has one.
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
