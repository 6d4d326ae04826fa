//! A `std` for explored programs.
//!
//! The modules here have the names and signatures of std's, but a thread is a coroutine, a lock is
//! an entry in a table, and every operation asks an *engine* which thread runs next. The engines
//! are in `interleave-shuttled` (all schedules) and `interleave-loomed` (everything that the memory
//! model allows); those crates re-export this one under the name `std` to the code under test.
//!
//! This crate has everything that stable std has in these modules, with the same signatures; the
//! test `crates/interleave/tests/surface.rs` compares it with rust-docs. `Duration`, `SystemTime`
//! and the errors are std's own: `SystemTime::now` returns the real time, and only `Instant` is
//! virtual.
//!
//! A modelled atomic has the alignment of its value, but not its size. `sync/atomic/memory.rs` says
//! what happens when a program gets an atomic from a pointer.
//!
//! Only what is here is explored: `sync`, `thread`, `thread_local!`, `time::Instant`, futexes.
//! `Arc` is std's own, because only std's `Arc` can be an `Arc<dyn Trait>` or a `self: Arc<Self>`.
//! So cloning or dropping an `Arc` is not a scheduling point, and for loom it orders nothing.

pub mod futex;
pub mod hint;
pub mod kernel;
pub mod sync;
pub mod thread;
pub mod time;
mod tracked;

#[doc(hidden)]
pub use std as real_std;

pub use tracked::Tracked;
