//! What can go wrong with a pool, and with one item of it.

use crate::Ending;
use std::{error, fmt, io};

/// Why there is no result for an item. Other items are not affected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ItemError {
    /// The function panicked, with this message. Its worker was replaced by a
    /// fresh one, so that nothing half-changed is met by the next item.
    Panicked(String),
    /// The worker ended while it worked on this item: the function exited, or
    /// a signal killed it (its own fault, the kernel's for want of memory, or
    /// somebody else's). `None` if nobody knows how.
    Died(Option<Ending>),
    /// The item could not be sent to a worker, or was not understood there:
    /// its `Serialize` and `Deserialize` do not fit, or need a format that
    /// describes itself (as an untagged enum does).
    Item(String),
    /// The same with its result.
    Answer(String),
}

impl fmt::Display for ItemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ItemError::Panicked(message) => write!(f, "the function panicked: {message}"),
            ItemError::Died(Some(ending)) => {
                write!(f, "its worker {ending} while it worked on this item")
            }
            ItemError::Died(None) => {
                f.write_str("its worker ended while it worked on this item, nobody knows how")
            }
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
    /// This number of workers was asked for.
    Workers(usize),
    /// The pool's processes cannot be started, or reached.
    Start(io::Error),
    /// No worker is left, and no new one can be started.
    NoWorker(io::Error),
    /// The process that starts the workers was killed, so that none of them is
    /// left either. Make a new pool.
    Lost(Option<Ending>),
    /// The pool's processes do not end.
    StillAlive(String),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Workers(asked) => {
                let most = super::MOST_WORKERS;
                write!(f, "a pool has 1 to {most} workers, not {asked}")
            }
            PoolError::Start(error) => write!(f, "cannot start a pool: {error}"),
            PoolError::NoWorker(error) => {
                write!(f, "no worker is left, and none can be started: {error}")
            }
            PoolError::Lost(ending) => {
                f.write_str("the process that starts the pool's workers ")?;
                match ending {
                    Some(ending) => write!(f, "{ending}")?,
                    None => f.write_str("is gone")?,
                }
                f.write_str("; make a new pool")
            }
            PoolError::StillAlive(what) => write!(f, "the pool's processes do not end: {what}"),
        }
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
