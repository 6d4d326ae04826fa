//! A fixed number of processes that apply one function to many items.
//!
//! ```
//! use processes::ProcessPool;
//!
//! let mut pool = ProcessPool::new(2, |number: u64| number * number)?;
//! let squares: Result<Vec<u64>, _> = pool.map(1..=5)?.into_iter().collect();
//! assert_eq!(squares?, [1, 4, 9, 16, 25]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The modules, from the inside out: items and results travel as
//! [frames](crate::frame). A [worker] computes results. Its
//! [desk] is memory that survives it. The [zygote] forks the workers. The
//! [crew] is what the program knows about its workers, and a [run] gives them
//! work.

mod control;
mod crew;
mod deaths;
mod desk;
mod error;
mod message;
mod run;
mod worker;
mod zygote;

use std::borrow::Borrow;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

use crew::Crew;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Pid;
pub use error::{ItemError, PoolError};
use run::Run;

/// The largest number of workers in a pool.
pub const MOST_WORKERS: usize = 256;

/// Processes that apply one function to many items, like Python's
/// `multiprocessing.Pool`. Workers are forked once and used for many items.
///
/// - **Isolation.** Each worker has its own memory: only later items of the
///   same worker can see what the function changes there. A worker that panics,
///   exits, or is killed costs *one* item, which gets an [`ItemError`]. The
///   results that it had already computed are not lost, and a fresh worker
///   replaces it.
/// - **At most once.** The function never gets an item twice, not even after a
///   crash. So an item that crashes the function kills only one worker.
/// - **Order.** [`map`](ProcessPool::map) returns results in the order of the
///   items, whichever worker finished first.
/// - **Backpressure.** The pool takes items from the iterator as workers need
///   them: each worker has at most four chunks at a time.
/// - **The end.** Dropping the pool ends its processes and everything that the
///   function started. The end of the program does the same, even if SIGKILL
///   ends it. If the program forks, the forked child has a copy of the pool.
///   It cannot use the copy, and dropping it ends nothing.
///
/// # What a worker inherits
/// A worker gets a copy of the program's memory as it is when the pool is made.
/// So the function may use what it captured, without `Send`, `'static` or
/// locks. Of the file descriptors, the function may use only standard input,
/// output and error, and those passed to [`keeping`](ProcessPool::keeping). All
/// others fail with EBADF in the workers, so that no process waits for the end
/// of a pipe that a worker holds open. The program's signal handlers are
/// replaced by the default actions. Ctrl-C in a terminal does not reach the
/// workers: it ends the program, and the end of the program ends them.
///
/// # In a program with threads
/// `new` forks, so the rules of [`fork`](crate::fork#in-a-program-with-threads)
/// apply: the function must not need a lock that another thread may hold at
/// that moment. So make the pool first and start threads later. Workers that
/// replace dead ones are forked from a process that has only one thread and is
/// kept for that purpose.
///
/// # Signals
/// Signals do not interrupt any call: every call continues after EINTR.
pub struct ProcessPool<T, R> {
    crew: Crew,
    types: PhantomData<fn(T) -> R>,
}

impl<T, R> ProcessPool<T, R>
where
    T: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned,
{
    /// Starts this many processes (1 to [`MOST_WORKERS`]; one per CPU is a good
    /// number for a function that computes), and one more process that starts
    /// the workers and reaps them.
    ///
    /// The workers never drop their copies of the function. The original is
    /// dropped before this call returns.
    ///
    /// # Errors
    /// [`PoolError::Workers`] for a number out of range; [`PoolError::Start`]
    /// if there are too many processes or descriptors already.
    pub fn new(workers: usize, function: impl FnMut(T) -> R) -> Result<Self, PoolError> {
        Self::keeping(workers, &[], function)
    }

    /// Like [`new`](ProcessPool::new), but the function may also use these file
    /// descriptors.
    ///
    /// # Errors
    /// As for [`new`](ProcessPool::new).
    pub fn keeping(
        workers: usize,
        descriptors: &[BorrowedFd<'_>],
        mut function: impl FnMut(T) -> R,
    ) -> Result<Self, PoolError> {
        if !(1..=MOST_WORKERS).contains(&workers) {
            return Err(PoolError::Workers(workers));
        }
        let kept: Vec<_> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let crew = Crew::start(workers, &kept, &mut |socket, desk| {
            worker::work(socket, desk, &mut function);
        })?;
        let types = PhantomData;
        Ok(ProcessPool { crew, types })
    }

    /// Applies the function to every item and returns the results in the order
    /// of the items. Items are sent in chunks of a quarter of each worker's
    /// share, as in Python, or one by one if the iterator does not know its
    /// length.
    ///
    /// # Errors
    /// [`PoolError`] if the pool has no worker and cannot start one, or in a
    /// forked process's copy. The results so far are lost.
    pub fn map<I>(&mut self, items: I) -> Result<Vec<Result<R, ItemError>>, PoolError>
    where
        I: IntoIterator<Item: Borrow<T>>,
    {
        let items = items.into_iter();
        let chunk = items.size_hint().0.div_ceil(4 * self.crew.seats.len());
        self.map_chunks(chunk, items)
    }

    /// Like [`map`](ProcessPool::map), but with chunks of `chunk` items (0
    /// counts as 1). Use long chunks for short items, because every chunk costs
    /// a few microseconds. Use short chunks for long items, because one worker
    /// computes a whole chunk. With chunks of one item, the pool sends each
    /// item before it takes the next one from the iterator.
    ///
    /// # Errors
    /// As for [`map`](ProcessPool::map).
    pub fn map_chunks<I>(
        &mut self,
        chunk: usize,
        items: I,
    ) -> Result<Vec<Result<R, ItemError>>, PoolError>
    where
        I: IntoIterator<Item: Borrow<T>>,
    {
        let items = items.into_iter();
        let mut results = Vec::with_capacity(items.size_hint().0);
        let mut count = 0;
        self.for_each(chunk, items, |index, result| {
            if index >= results.len() {
                make_room(&mut results, index + chunk.clamp(1, MOST_ROOM));
            }
            results[index] = result;
            count = count.max(index + 1);
        })?;
        results.truncate(count);
        Ok(results)
    }

    /// Passes every result, with the index of its item, to `sink` as soon as it
    /// arrives, and takes items from the iterator meanwhile. So neither items
    /// nor results pile up, however many there are.
    ///
    /// If `sink` or the iterator panics, the workers that are busy are
    /// replaced, and the pool can be used again.
    ///
    /// # Errors
    /// As for [`map`](ProcessPool::map), but the results that `sink` has
    /// received are not lost.
    pub fn for_each<I>(
        &mut self,
        chunk: usize,
        items: I,
        sink: impl FnMut(usize, Result<R, ItemError>),
    ) -> Result<(), PoolError>
    where
        I: IntoIterator<Item: Borrow<T>>,
    {
        self.crew.check_owner()?;
        Run::new(&mut self.crew, items.into_iter(), chunk, sink).finish()
    }

    /// The process numbers of the current workers. A worker that has just died
    /// may be among them.
    #[must_use]
    pub fn workers(&self) -> Vec<Pid> {
        let workers = self
            .crew
            .seats
            .iter()
            .filter_map(|seat| seat.worker.as_ref());
        workers.filter_map(|worker| worker.pid).collect()
    }

    /// Ends the pool's processes, and returns an error if that fails. Dropping
    /// the pool does the same, but ignores the error.
    ///
    /// # Errors
    /// [`PoolError::StillAlive`] if some process cannot be killed, for instance
    /// because the function made it run as another user.
    pub fn shutdown(mut self) -> Result<(), PoolError> {
        self.crew.end()
    }
}

/// For how many results room is made at once, at most. A caller may ask for
/// chunks of any size, even `usize::MAX`.
const MOST_ROOM: usize = 4096;

/// Makes room for the results of one more chunk. It is not part of the closure
/// that calls it, so that the closure stays small.
#[cold]
#[inline(never)]
fn make_room<R>(results: &mut Vec<Result<R, ItemError>>, length: usize) {
    // These are placeholders. All of them are replaced or truncated later.
    results.resize_with(length, || Err(ItemError::Died(None)));
}

impl<T, R> std::fmt::Debug for ProcessPool<T, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let workers = &self.crew.seats.len();
        f.debug_struct("ProcessPool")
            .field("workers", workers)
            .finish()
    }
}
