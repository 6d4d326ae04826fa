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
//! - [`Spec`] says what to start and under which [`Limits`]; it is cheap to
//!   start from a large parent, because nothing of the parent is copied.
//! - [`Child`] is what was started: it is waited for, signalled and reaped
//!   through a descriptor (pidfd), so that a reused number is never hit.
//! - [`run`] does it all: feeds the input, reads the output, keeps the time.
//! - [`become_subreaper`] and [`end_descendants`] end *everything* that a
//!   process started, daemons and fork bombs included.
//! - [`fork`] copies this process; [`ProcessPool`] keeps such copies at work.
//! - [`proc`]: what the kernel says about any process.
//!
//! Linux only (x86-64 and aarch64), from 5.11 on.

mod between;
mod child;
mod end;
mod ending;
mod fork;
mod launch;
pub mod limits;
mod pidfd;
mod pool;
pub mod proc;
mod run;
mod spawn_error;
mod spec;

pub use child::Child;
pub use end::{StillAlive, become_subreaper, end_descendants, reap_all};
pub use ending::{Ending, Usage};
pub use fork::{PANICKED, fork};
pub use limits::{LimitError, Limits};
pub use nix::sys::signal::Signal;
pub use pool::{ItemError, MOST_WORKERS, PoolError, ProcessPool};
pub use proc::Pid;
pub use run::{Captured, DEFAULT_OUTPUT, End, Outcome, RunError, run};
pub use spawn_error::{SpawnError, Step};
pub use spec::{Spec, Stdio};
