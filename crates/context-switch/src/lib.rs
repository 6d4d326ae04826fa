//! What a switch costs, and how to find out without fooling oneself.
//!
//! ```
//! use context_switch::{Between, Over, PingPong, Placement};
//!
//! // Two threads on one CPU hand a byte to and fro.
//! let trips = PingPong::new(Between::Threads, Over::Pipe, Placement::OneCpu).run(100)?;
//! // Each trip took this thread off the CPU, which the kernel counted.
//! assert!(trips.here.switches() >= 100, "{trips:?}");
//! # Ok::<(), context_switch::PingPongError>(())
//! ```
//!
//! - [`PingPong`]: a round trip over a pipe, a futex or a spun-on word, between
//!   processes or threads, on one CPU or two; [`resumes`]: between coroutines.
//! - [`Pinned`]: a thread stays on one CPU until the guard is dropped.
//! - [`Counters`]: the switches and page faults that the kernel counted.
//! - [`working_set`]: what the other one does to one's caches meanwhile.
//! - [`creation`]: what making a process, a thread or a fiber costs, and what
//!   that has to do with the memory in use.
//! - [`sampling`]: is one thing faster than another? Interleaved samples, an
//!   interval, a verdict.
//!
//! Placement decides more than anything else: in a virtual machine a wake-up
//! on an idle CPU can cost ten times the switch itself. Whoever gives a figure
//! says where the two sides ran.
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
