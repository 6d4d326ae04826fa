//! Processes on Linux: starting, limiting, supervising, ending and observing
//! them.
//!
//! ```
//! use processes::{Limits, Spec, run};
//! use std::time::Duration;
//!
//! let limits = Limits { wall: Some(Duration::from_secs(10)), ..Limits::default() };
//! let outcome = run(Spec::new("tr").args(["a-z", "A-Z"]), b"quiet", limits)?;
//! assert_eq!(outcome.stdout.bytes, b"QUIET");
//! assert_eq!(outcome.end.to_string(), "exited with status 0");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`Spec`] describes a program to start and its [`Limits`]. The start is
//!   cheap even from a large parent, because the parent's memory is not copied.
//! - [`Child`] is a started process. Its methods wait for it, signal it and
//!   reap it through a pidfd (a file descriptor that refers to a process), so
//!   they never reach another process that got the same number.
//! - [`run`] starts a program, writes its input, reads its output and enforces
//!   its limits, all in one call.
//! - [`become_subreaper`] and [`end_descendants`] together end *everything*
//!   that a process started, including daemons and fork bombs.
//! - [`fork`] copies this process. [`ProcessPool`] keeps such copies and gives
//!   them work.
//! - [`frame`] marks where a value ends in a stream of bytes.
//! - [`proc`] reads what the kernel says about any process.
//!
//! Works on Linux 5.11 or later, on x86-64 and aarch64.

mod between;
mod child;
mod end;
mod ending;
mod fork;
pub mod frame;
mod launch;
pub mod limits;
mod pidfd;
mod pool;
pub mod proc;
mod run;
mod spawn_error;
mod spec;

pub use nix::sys::signal::Signal;

pub use child::Child;
pub use end::{StillAlive, become_subreaper, end_descendants, reap_all};
pub use ending::{Ending, Usage};
pub use fork::{PANICKED, fork};
pub use limits::{LimitError, Limits};
pub use pool::{ItemError, MOST_WORKERS, PoolError, ProcessPool};
pub use proc::Pid;
pub use run::{Captured, DEFAULT_OUTPUT, End, Outcome, RunError, run};
pub use spawn_error::{SpawnError, Step};
pub use spec::{Spec, Stdio};
