//! The errors of a pool: it cannot be made, or it rejects a job.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a pool could not be made.
#[derive(Debug)]
pub enum PoolError {
    /// A pool of 0 workers would never do anything.
    NoWorkers,
    /// A queue with room for 0 jobs would never take one.
    NoRoom,
    /// The system refused a thread.
    Refused {
        /// How many threads had been started before.
        started: usize,
        /// The system's reason, usually EAGAIN (pthread_create(3)).
        source: io::Error,
    },
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWorkers => {
                f.write_str("a pool of 0 workers never runs a job; ask for 1 or more")
            }
            Self::NoRoom => {
                f.write_str("a queue with room for 0 jobs never takes one; ask for 1 or more")
            }
            Self::Refused { started, .. } => write!(
                f,
                "the system refused thread {} of the pool; ask for fewer, or raise the limit (ulimit -u, the cgroup's pids.max)",
                started + 1
            ),
        }
    }
}

impl Error for PoolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused { source, .. } => Some(source),
            Self::NoWorkers | Self::NoRoom => None,
        }
    }
}

/// A job that was not queued and is given back.
pub struct Rejected<F> {
    /// The job, which has not run.
    pub job: F,
    /// Why the pool did not queue it.
    pub why: Why,
}

/// Why a job was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no room in the queue. The caller did not want to wait, or is one of the pool's
    /// workers, which must not wait.
    Full,
    /// The pool takes no more jobs.
    Closed,
}

impl<F> fmt::Debug for Rejected<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

impl<F> fmt::Display for Rejected<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.why {
            Why::Full => "the pool's queue is full; wait for a job to end, or run this one here",
            Why::Closed => "the pool is closed and takes no more jobs; run this one here",
        })
    }
}

impl<F> Error for Rejected<F> {}
