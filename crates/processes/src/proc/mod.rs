//! Typed views of `/proc`, the kernel's own account of every process
//! (man 5 proc).
//!
//! ```
//! use processes::proc::{self, State};
//!
//! let me = std::process::id() as proc::Pid;
//! let stat = proc::stat(me)?;
//! assert_eq!(stat.pid, me);
//! assert!(matches!(stat.state, State::Running | State::Sleeping));
//! assert!(proc::tasks(me)?.contains(&me), "the first thread's id is the process's");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Every function takes a snapshot: by the time it returns, the process may
//! have changed, or it may be gone and its number reused. Compare
//! [`Stat::start_ticks`] of two snapshots to check that they describe the same
//! process.
//!
//! # Errors
//! Always an [`io::Error`] whose message names the file:
//! - [`NotFound`](io::ErrorKind::NotFound): the process or thread is gone,
//!   whether the kernel said ENOENT (no such directory) or ESRCH (it ended
//!   between open and read);
//! - [`PermissionDenied`](io::ErrorKind::PermissionDenied): the process belongs
//!   to another user, or is not dumpable (see "ptrace access mode" in man 2
//!   ptrace). [`stat`] and [`status`] need no such permission; [`syscall`],
//!   [`descriptors`], [`maps`] and [`memory`] do;
//! - [`InvalidData`](io::ErrorKind::InvalidData): the file is not in the form
//!   that the manual describes.

mod descriptors;
mod maps;
mod stat;
mod status;
mod syscall;
mod tree;

use std::{fs, io};

pub use descriptors::{Descriptor, Target, descriptors, task_descriptors};
pub use maps::{Mapping, Memory, maps, memory};
pub use stat::{Stat, State, clock_ticks, stat, task_stat};
pub use status::{Status, status, task_status};
pub use syscall::{Syscall, call_name, syscall};
pub use tree::{all, children, descendants, tasks};
pub(crate) use tree::{below, family_of, snapshot};

/// A process number or a thread number. Linux takes both from the same range.
pub type Pid = i32;

/// Reads a whole file under `/proc`.
fn read(path: &str) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| explain(path, error))
}

/// Adds the file's name to an error. The kernel says in two ways that a process
/// is gone (ENOENT and ESRCH); both become `NotFound`.
fn explain(path: &str, error: io::Error) -> io::Error {
    let gone = error.raw_os_error() == Some(libc::ESRCH);
    if gone || error.kind() == io::ErrorKind::NotFound {
        let message = format!("{path}: no such process or thread (any more)");
        io::Error::new(io::ErrorKind::NotFound, message)
    } else {
        io::Error::new(error.kind(), format!("{path}: {error}"))
    }
}

/// The error for a file whose contents are not what man 5 proc promises.
fn malformed(path: &str, contents: &[u8]) -> io::Error {
    let shown: String = String::from_utf8_lossy(contents)
        .chars()
        .take(200)
        .collect();
    let message = format!("{path}: not in the form that man 5 proc describes: {shown:?}");
    io::Error::new(io::ErrorKind::InvalidData, message)
}
