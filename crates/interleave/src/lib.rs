//! One source, three worlds: explores what ordinary concurrent Rust can do.
//!
//! A learner's file is compiled three times: against the real std, against a std whose schedules
//! are explored ([`shuttled`]), and against a std whose memory orderings are explored ([`loomed`]).
//! A *scenario* uses the code as two or three threads would. An exploration runs the scenario in
//! every possible way, or in as many ways as the budget allows:
//!
//! ```
//! use interleave::{in_worlds, schedules};
//!
//! // A stand-in for a world crate: a counter that loses updates.
//! mod counter_shuttled {
//!     use interleave::shuttled::sync::atomic::{AtomicU32, Ordering::SeqCst};
//!     pub struct Counter(AtomicU32);
//!     impl Counter {
//!         pub fn new() -> Self { Self(AtomicU32::new(0)) }
//!         pub fn add(&self) { self.0.store(self.0.load(SeqCst) + 1, SeqCst) }
//!         pub fn get(&self) -> u32 { self.0.load(SeqCst) }
//!     }
//! }
//!
//! in_worlds! {
//!     shuttled = crate::counter_shuttled;
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
//! let found = schedules(shuttled::two_threads_add);
//! let failure = found.failure.as_ref().expect("an update is lost");
//! println!("{}\n{}\nreplay with {}", failure.message, failure.timeline, failure.schedule);
//! # }
//! ```
//!
//! Only what std's `sync`, `thread`, `time` and `thread_local!` do is explored; two accesses to a
//! plain variable are never interleaved. A payload that must be protected is therefore a
//! [`Tracked`], which checks its accesses in both worlds.

mod exploration;
mod explore;
pub mod position;
mod source;
mod timeline;
mod verdict;
mod worlds;

pub use interleave_model::Tracked;
#[doc(hidden)]
pub use interleave_model::kernel::scenario::named;
pub use records::position::FailureKind;
pub use records::{Place, Step, Timeline, schedule};

pub use exploration::{Exploration, Failure, World};
pub use explore::{Explore, REPLAY, orderings, schedules};

/// The std of scenarios in the shuttled world.
pub mod shuttled {
    #[doc(no_inline)]
    pub use interleave_shuttled::*;

    /// What a scenario can use without importing it.
    pub mod scenario {
        pub use interleave_shuttled::{Tracked, sync::Arc, thread};
    }
}

/// The std of scenarios in the loomed world.
pub mod loomed {
    #[doc(no_inline)]
    pub use interleave_loomed::*;

    /// What a scenario can use without importing it.
    pub mod scenario {
        pub use interleave_loomed::{Tracked, sync::Arc, thread};
    }
}
