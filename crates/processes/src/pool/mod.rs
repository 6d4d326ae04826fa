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
//! From the inside out: items and results become bytes ([codec]) and travel as
//! [frames](frame); a [worker] computes, with a [desk] that survives it; the
//! [zygote] forks workers; the [crew] is what the program knows of them, and a
//! [run] gives them work.

mod codec;
mod control;
mod crew;
mod deaths;
mod desk;
mod error;
mod frame;
mod run;
mod worker;
mod zygote;

use crate::Pid;
use crew::Crew;
pub use error::{ItemError, PoolError};
use run::Run;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Borrow;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

/// A pool has at most so many workers.
pub const MOST_WORKERS: usize = 256;

/// Processes that apply one function to many items, like Python's
/// `multiprocessing.Pool`. Workers are forked once and used again and again.
///
/// - **Isolation.** Each worker has a memory of its own: what the function
///   changes there, only later items of the same worker may see. A worker that
///   panics, exits, or is killed costs *one* item, which gets an
///   [`ItemError`]; results that it had already computed are not lost, and a
///   fresh worker takes its place.
/// - **At most once.** No item is given to the function twice, not even after a
///   crash: a poisonous item kills one worker, not one after the other.
/// - **Order.** [`map`](ProcessPool::map) gives results in the order of the
///   items, whoever was first.
/// - **Backpressure.** Items are taken from the iterator as workers need them:
///   no more than four chunks per worker are on their way.
/// - **The end.** Dropping the pool ends its processes, with all that the
///   function started; so does the program's own end, even by SIGKILL.
///
/// # What a worker inherits
/// A copy of the program's memory as it is *now*: the function may use what it
/// captured, without `Send`, `'static` or locks. Of descriptors only standard
/// input, output and error; all others are dead in the workers (EBADF), so that
/// nobody waits for the end of a pipe that a worker holds open;
/// [`keeping`](ProcessPool::keeping) makes exceptions. Signals have their
/// default actions, and a terminal's Ctrl-C does not reach workers: it ends the
/// program, which ends them.
///
/// # In a program with threads
/// `new` forks, and what is true of [`fork`](crate::fork#in-a-program-with-threads)
/// is true here: the function must not need a lock that another thread may hold
/// at that moment. So make the pool first and start threads later. Workers that
/// are replaced later come from a process with one thread, kept for that
/// purpose.
///
/// # Signals
/// No call returns because of a signal; all go on after EINTR.
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
    /// number for a function that computes), and one more that looks after
    /// them.
    ///
    /// The function's copies in the workers are never dropped; the original is,
    /// before this call returns.
    ///
    /// # Errors
    /// [`PoolError::Workers`] for a number out of range; [`PoolError::Start`]
    /// if there are too many processes or descriptors already.
    pub fn new(workers: usize, function: impl FnMut(T) -> R) -> Result<Self, PoolError> {
        Self::keeping(workers, &[], function)
    }

    /// The same, but the function may use these descriptors.
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

    /// Applies the function to every item and gives the results in the items'
    /// order. Items go out in chunks of a quarter of each worker's share, as in
    /// Python, or one by one if the iterator does not know its length.
    ///
    /// # Errors
    /// [`PoolError`] if no worker can be had; the results so far are lost.
    pub fn map<I>(&mut self, items: I) -> Result<Vec<Result<R, ItemError>>, PoolError>
    where
        I: IntoIterator<Item: Borrow<T>>,
    {
        let items = items.into_iter();
        let chunk = items.size_hint().0.div_ceil(4 * self.crew.seats.len());
        self.map_chunks(chunk, items)
    }

    /// The same in chunks of this many items (0 counts as 1): long ones for
    /// short items, because every chunk costs a few microseconds; short ones
    /// for long items, because a chunk is computed by one worker. With chunks of
    /// one item, each item is sent before the next is taken from the iterator.
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

    /// Gives every result with its item's index to `sink`, in the order in
    /// which they come; items are taken from the iterator meanwhile. So nothing
    /// piles up, however many there are.
    ///
    /// If `sink` or the iterator panics, the workers that are at work are
    /// replaced, and the pool can be used again.
    ///
    /// # Errors
    /// As for [`map`](ProcessPool::map); what `sink` has received counts.
    pub fn for_each<I>(
        &mut self,
        chunk: usize,
        items: I,
        sink: impl FnMut(usize, Result<R, ItemError>),
    ) -> Result<(), PoolError>
    where
        I: IntoIterator<Item: Borrow<T>>,
    {
        Run::new(&mut self.crew, items.into_iter(), chunk, sink).finish()
    }

    /// The numbers of the processes that work now. One that has just died may
    /// be among them.
    #[must_use]
    pub fn workers(&self) -> Vec<Pid> {
        let workers = self
            .crew
            .seats
            .iter()
            .filter_map(|seat| seat.worker.as_ref());
        workers.filter_map(|worker| worker.pid).collect()
    }

    /// Ends the pool's processes, and says whether that worked. Dropping the
    /// pool does the same in silence.
    ///
    /// # Errors
    /// [`PoolError::StillAlive`] if some process cannot be killed, for instance
    /// because the function made it run as another user.
    pub fn shutdown(mut self) -> Result<(), PoolError> {
        self.crew.end()
    }
}

/// For how many results room is made at once: a chunk may be said to be endless.
const MOST_ROOM: usize = 4096;

/// Makes room for the results of one chunk more. Apart from the closure that
/// needs it, which is to stay small.
#[cold]
#[inline(never)]
fn make_room<R>(results: &mut Vec<Result<R, ItemError>>, length: usize) {
    // Kept free for those that come later; all do.
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
