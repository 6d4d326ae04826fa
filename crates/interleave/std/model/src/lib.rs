//! A `std` for explored programs.
//!
//! The modules here have the names and signatures of std's, but a thread is a coroutine, a lock is
//! a note in a table, and every operation asks an *engine* who runs next. The engines are in
//! `interleave-shuttled` (all schedules) and `interleave-loomed` (all that the memory model allows);
//! those crates re-export this one under the name `std` to the code under test.
//!
//! What stable std has in these modules, this crate has too, with the same signatures; the test
//! `crates/interleave/tests/surface.rs` compares it with rust-docs. `Duration`, `SystemTime` and the
//! errors are std's own: `SystemTime::now` tells the real time, only `Instant` is virtual.
//!
//! A modelled atomic has the alignment of its value, but not its size. Where a program gets an atomic
//! from a pointer, `sync/atomic/memory.rs` says what happens.
//!
//! Only what is here is explored: `sync`, `thread`, `thread_local!`, `time::Instant`, futexes. `Arc`
//! is std's own, because only that may be `Arc<dyn Trait>` or `self: Arc<Self>`: cloning and
//! dropping one is no scheduling point, and orders nothing in the eyes of loom.

pub mod futex;
pub mod hint;
pub mod kernel;
pub mod sync;
pub mod thread;
pub mod time;
mod tracked;

pub use tracked::Tracked;

#[doc(hidden)]
pub use std as real_std;
