//! Explores what ordinary concurrent Rust can do: every schedule and every memory ordering.
//!
//! The code under test is compiled once more against a `std` whose threads, locks and atomics are
//! modelled ([`std`]). A *scenario* uses the code as two or three threads would. An
//! exploration runs the scenario once for each *execution*: each way in which loads can read stores
//! and stores can follow each other, under the memory model of Rust and C++20. It stops at the first
//! failure (a panic, a data race, a deadlock, a loop that never ends), draws it, and says with which
//! string it can be run again.
//!
//! ```
//! // A stand-in for a crate that is compiled against the modelled std: a counter that loses updates.
//! mod counter_explored {
//!     use interleave::std::sync::atomic::{AtomicU32, Ordering::SeqCst};
//!     pub struct Counter(AtomicU32);
//!     impl Counter {
//!         pub fn new() -> Self { Self(AtomicU32::new(0)) }
//!         pub fn add(&self) { self.0.store(self.0.load(SeqCst) + 1, SeqCst) }
//!         pub fn get(&self) -> u32 { self.0.load(SeqCst) }
//!     }
//! }
//!
//! interleave::scenarios! {
//!     exercise = crate::counter_explored;
//!
//!     pub fn two_threads_add() {
//!         let counter = Arc::new(exercise::Counter::new());
//!         let theirs = Arc::clone(&counter);
//!         let thread = thread::spawn(move || theirs.add());
//!         counter.add();
//!         thread.join().unwrap();
//!         assert_eq!(counter.get(), 2);
//!     }
//! }
//!
//! # fn main() {
//! let found = interleave::explore(scenarios::two_threads_add);
//! let failure = found.failure.as_ref().expect("an update is lost");
//! println!("{}\n{}\nreplay with {}", failure.message, failure.timeline, failure.schedule);
//! # }
//! ```
//!
//! Only what std's `sync`, `thread`, `time` and `thread_local!` do is explored; two accesses to a
//! plain variable are never interleaved. A payload that must be protected is therefore a
//! [`Tracked`], which checks its accesses.

mod campaign;
mod exploration;
mod explore;
mod fair;
pub mod position;
mod scenarios;
mod source;
mod timeline;
mod verdict;

pub use interleave_model::Tracked;
#[doc(hidden)]
pub use interleave_model::kernel::scenario::named;
pub use records::position::FailureKind;
pub use records::{Place, Step, Timeline, schedule};

pub use exploration::{Exploration, Failure, Limit};
pub use explore::{Explore, REPLAY, explore};
pub use verdict::all_must_hold;

/// The std of explored code.
pub mod std {
    #[doc(no_inline)]
    pub use interleave_std::*;

    /// What a scenario can use without importing it.
    pub mod scenario {
        pub use interleave_std::{Tracked, sync::Arc, thread};
    }
}
