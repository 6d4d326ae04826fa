//! A `std` for explored programs.
//!
//! The modules here have the names and signatures of std's, but a thread is a coroutine, and every
//! operation through which threads meet asks a search ([`interleave_search`]) which thread runs next
//! and what a load reads. `interleave-std` re-exports this crate under the name `std` to the code
//! under test.
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
//! So no other thread runs when an `Arc` is cloned or dropped, and that orders nothing here.

pub mod futex;
pub mod hint;
pub mod kernel;
pub mod panic;
pub mod sync;
pub mod thread;
pub mod time;
mod tracked;

#[doc(hidden)]
pub use std as real_std;

pub use tracked::Tracked;
