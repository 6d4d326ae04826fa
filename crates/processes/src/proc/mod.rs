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
//! have changed, or be gone and its number reused. Compare
//! [`Stat::start_ticks`] of two snapshots to know that they speak of the same
//! process.
//!
//! # Errors
//! Always an [`io::Error`] whose message names the file:
//! - [`NotFound`](io::ErrorKind::NotFound): the process or thread is gone,
//!   whether the kernel said ENOENT (no such directory) or ESRCH (it ended
//!   between open and read);
//! - [`PermissionDenied`](io::ErrorKind::PermissionDenied): it belongs to
//!   another user, or is not dumpable (see "ptrace access mode" in man 2
//!   ptrace). [`stat`] and [`status`] ask for no such right; [`syscall`],
//!   [`descriptors`], [`maps`] and [`memory`] do;
//! - [`InvalidData`](io::ErrorKind::InvalidData): the file is not in the form
//!   that the manual describes.

mod descriptors;
mod maps;
mod stat;
mod status;
mod syscall;
mod tree;

pub use descriptors::{Descriptor, Target, descriptors, task_descriptors};
pub use maps::{Mapping, Memory, maps, memory};
pub use stat::{Stat, State, clock_ticks, stat, task_stat};
pub use status::{Status, status, task_status};
pub use syscall::{Syscall, syscall};
pub use tree::{all, children, descendants, tasks};
pub(crate) use tree::{below, family_of, snapshot};

use std::{fs, io};

/// A process number, or a thread's (which Linux draws from the same pool).
pub type Pid = i32;

/// Reads a whole file under `/proc`.
fn read(path: &str) -> io::Result<Vec<u8>> {
    fs::read(path).map_err(|error| explain(path, error))
}

/// The same error with the file's name, and one kind for both ways in which
/// the kernel says that a process is gone.
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
