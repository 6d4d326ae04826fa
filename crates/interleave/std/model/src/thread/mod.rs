//! `std::thread`, modelled.

mod builder;
mod local;
mod park;
mod scope;
mod spawn;

use std::num::NonZero;
pub use std::thread::Result;

use crate::kernel::{self, object::Word};
pub use builder::Builder;
pub(crate) use local::destroy_all as destroy_locals;
pub use local::{AccessError, LocalKey};
pub use park::{Thread, ThreadId, current, park, park_timeout, sleep, yield_now};
#[allow(deprecated)]
pub use park::{park_timeout_ms, sleep_ms};
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use spawn::{JoinHandle, spawn};

/// Whether the current thread is unwinding from a panic.
#[must_use]
pub fn panicking() -> bool {
    kernel::run().map_or_else(std::thread::panicking, |run| run.panicking())
}

/// Two, which is the same answer on every machine.
///
/// # Errors
/// Never.
pub fn available_parallelism() -> std::io::Result<NonZero<usize>> {
    Ok(NonZero::<usize>::MIN.saturating_add(1))
}

// The words of a thread.
/// Its token, for `park`.
pub(crate) const TOKEN: usize = 0;
/// Whether its closure has ended. Its thread-local values may still be there.
pub(crate) const DONE: usize = 1;
pub(crate) const WORDS: [Word; 2] = [Word::new(0), Word::new(0)];
