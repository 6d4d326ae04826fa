//! The errors of a pool, and of a single item.

use std::{error, fmt, io};

use crate::Ending;

/// Why there is no result for an item. Other items are not affected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemError {
    /// The function panicked with this message. A fresh worker replaced the
    /// worker that panicked, so that the next item does not see half-changed
    /// data.
    Panicked(String),
    /// The worker ended while it worked on this item: the function called exit,
    /// or a signal killed the worker (for a fault of its own, because the
    /// kernel had no memory left, or sent by another process). `None` if the
    /// way it ended is unknown.
    Died(Option<Ending>),
    /// The item could not be encoded, or the worker could not decode it: its
    /// `Serialize` and `Deserialize` do not fit together, or need a format that
    /// describes itself (as an untagged enum does).
    Item(String),
    /// The result could not be encoded by the worker, or the program could not
    /// decode it.
    Answer(String),
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ItemError::Panicked(message) => write!(f, "the function panicked: {message}"),
            ItemError::Died(Some(ending)) => {
                write!(f, "its worker {ending} while it worked on this item")
            }
            ItemError::Died(None) => f.write_str(
                "its worker ended while it worked on this item; how it ended is unknown",
            ),
            ItemError::Item(why) => write!(f, "the item cannot be sent to a worker: {why}"),
            ItemError::Answer(why) => write!(f, "the result cannot be sent back: {why}"),
        }
    }
}

impl error::Error for ItemError {}

/// Why a pool cannot work.
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// The pool was asked for this number of workers, which is not between 1
    /// and [`MOST_WORKERS`](crate::MOST_WORKERS).
    Workers(usize),
    /// The pool's processes cannot be started, or reached.
    Start(io::Error),
    /// No worker is left, and no new one can be started.
    NoWorker(io::Error),
    /// The process that starts the workers has ended, and the workers with it.
    /// Make a new pool.
    Lost(Option<Ending>),
    /// The pool's processes do not end.
    StillAlive(String),
    /// This is a forked process's copy of a pool. Only the process that made
    /// the pool can use it.
    Copy,
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Workers(asked) => {
                let most = super::MOST_WORKERS;
                write!(f, "a pool has 1 to {most} workers, not {asked}")
            }
            PoolError::Start(error) => {
                write!(f, "cannot start a pool: {error}{}", advice(error))
            }
            PoolError::NoWorker(error) => write!(
                f,
                "no worker is left, and none can be started: {error}{}",
                advice(error)
            ),
            PoolError::Lost(ending) => {
                f.write_str("the process that starts the pool's workers ")?;
                match ending {
                    Some(ending) => write!(f, "{ending}")?,
                    None => f.write_str("is gone")?,
                }
                f.write_str("; make a new pool")
            }
            PoolError::StillAlive(what) => write!(f, "the pool's processes do not end: {what}"),
            PoolError::Copy => f.write_str(
                "this is a forked process's copy of a pool, and only the process that made the \
                 pool can use it: make a new pool here",
            ),
        }
    }
}

/// What to do about this error.
fn advice(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE) => {
            "; EMFILE means that this process has as many open files as allowed: a pool needs \
             one file descriptor for each worker and about eight more; close some files, or \
             raise the limit (ulimit -n)"
        }
        Some(libc::EAGAIN) => "; this user has as many processes as allowed (ulimit -u)",
        _ => "",
    }
}

impl error::Error for PoolError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            PoolError::Start(error) | PoolError::NoWorker(error) => Some(error),
            _ => None,
        }
    }
}
