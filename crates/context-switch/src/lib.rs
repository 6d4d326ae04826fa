//! What a context switch costs, and how to measure it without fooling yourself.
//!
//! ```
//! use context_switch::{Between, Over, PingPong, Placement};
//!
//! // Two threads on one CPU hand a byte back and forth.
//! let trips = PingPong::new(Between::Threads, Over::Pipe, Placement::OneCpu).run(100)?;
//! // Each trip took this thread off the CPU, and the kernel counted that.
//! assert!(trips.here.switches() >= 100, "{trips:?}");
//! # Ok::<(), context_switch::PingPongError>(())
//! ```
//!
//! - [`PingPong`]: a round trip over a pipe, a futex or a word that the waiting
//!   side polls, between processes or threads, on one CPU or two; [`resumes`]:
//!   between a thread and a coroutine.
//! - [`Pinned`]: keeps a thread on one CPU until the guard is dropped.
//! - [`Counters`]: the context switches and page faults that the kernel
//!   counted.
//! - [`working_set`]: what the other side does to the caches in the meantime.
//! - [`creation`]: what it costs to create a process, a thread or a fiber, and
//!   how that depends on the memory in use.
//! - [`sampling`]: is one thing faster than another? Interleaved samples, an
//!   interval, a verdict.
//!
//! The placement of the two sides matters more than anything else: in a virtual
//! machine, a wake-up on an idle CPU can cost ten times as much as the switch
//! itself. When you report a time, say where the two sides ran.
//!
//! Linux only (x86-64 and aarch64).

mod counters;
pub mod creation;
mod memory;
mod ping_pong;
mod pinning;
pub mod sampling;
pub mod working_set;

pub use counters::Counters;
pub use memory::Pages;
pub use ping_pong::{Between, Over, PingPong, PingPongError, Trips, resumes};
pub use pinning::{PinError, Pinned, Placement, allowed_cpus};
