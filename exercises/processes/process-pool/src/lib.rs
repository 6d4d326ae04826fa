//! A pool of worker processes that run one function on many items.
//!
//! ```text
//!           ┌─ worker ┐
//!  caller ──┼─ worker ├─ each gets an item, runs the job and sends the answer back
//!           └─ worker ┘
//! ```
//!
//! ```ignore
//! // SAFETY: this program has one thread.
//! let mut pool = unsafe { Pool::start(4, |n| 100 / n) }?;
//! let results = pool.map(&[50, 0, 20])?;
//! // 100 / 0 panics, and a panic ends the worker with exit code 101.
//! assert_eq!(results, [Ok(2), Err(Ending::Exited(101)), Ok(5)]);
//! ```

use std::io;

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ended itself, with this exit code.
    Exited(u8),
    /// A signal ended it; this is the signal's number.
    Killed(i32),
}

/// Child processes, the *workers*, that run one function on the items that the
/// pool gives them.
///
/// A worker is *busy* from the moment at which the pool gives it an item until
/// it has sent the answer. Otherwise it is *idle*. An item *waits* until the pool
/// gives it to a worker. A worker has been given an item as soon as the pool has
/// sent it, also if the worker has not read it yet.
///
/// The processes:
/// - C1: [`start`](Pool::start) starts `workers` processes. Each of them is a
///   child of the calling process itself and stays for all calls of
///   [`map`](Pool::map): signals that a worker handles, or that stop and continue
///   it, do not end it. Apart from the replacements of C6 and C16, the pool starts
///   no other process, and it starts no thread.
/// - C2: `job` runs at most once for each item, exactly once if the result is an
///   answer, and only in the workers. A worker does not go on with the caller's
///   code: it never returns from `start` or `map`, and what the caller has
///   registered with `atexit` does not run in it unless `job` itself calls `exit`.
///   (The caller's panic hook and its signal handlers can run in a worker.) Each
///   pool has its own job, also for workers that it starts later.
///
/// If a worker ends:
/// - C3: If a worker ends while it is busy, the result of its item is an `Err`
///   with the worker's ending: the exit code if the process ended itself, or the
///   number of the signal (1 to 31) that ended it. `job` does not run again for
///   this item, and no other worker gets it, also if the worker had not read the
///   item yet. All other items get their results, also if every worker ends.
/// - C4: If a panic leaves `job`, the worker ends with exit code 101, whatever
///   the payload of the panic is. The panic hook that the caller had when the
///   worker was started reports the panic, as in any other process.
/// - C5: An answer that a worker has sent counts, even if the worker ends before
///   `map` has read the answer, by a signal or with an exit code.
/// - C6: The pool replaces each worker that has ended by one new process, at
///   the latest when an item waits for a worker in its place: from then on, C14
///   holds for `workers` workers again. A worker that lives is not replaced. There
///   is no limit to the number of replacements.
/// - C7: If a worker ends while it is idle, before the call of `map` or during
///   the call, by a signal or with an exit code, no item is lost: each item that
///   waits goes to another worker.
///
/// What is left, and what is not:
/// - C8: A worker that ended while it was busy has been reaped when `map`
///   returns. Dropping the pool ends and reaps all its workers, also workers that
///   have stopped (SIGSTOP) and workers that ignore or handle signals. After that, no
///   process, no zombie and no file descriptor of the pool is left. (If the wait for
///   a worker that was ended has failed for another reason than an interruption,
///   the pool need not wait for this worker again.) Other pools of the same process
///   are not affected.
/// - C9: Apart from the workers and the pool's descriptors, `start`, `map` and
///   the drop leave the caller as it was, also when they return an error: signal
///   mask, signal handlers, timers, limits, priority, working folder, umask,
///   environment, process group, and whether it adopts orphans
///   (`PR_SET_CHILD_SUBREAPER`). Other children of the caller are left alone,
///   whether they run, have stopped or have ended: the caller can still wait for
///   each of them. The pool sends no signal to the process id of a worker that was
///   reaped, because the id may belong to another process. `job` finds the signal mask and the signal dispositions that the
///   caller had when the pool started the worker.
/// - C10: The pool's descriptors in the caller are close-on-exec: a program that
///   the caller executes does not get them. A worker has open what the caller had
///   open besides its pools when the pool started the worker, and at most four
///   descriptors of this pool, however many workers there are and have been. (For
///   descriptors of the caller's other pools, both are allowed: to keep them and to
///   close them.)
/// - C11: If the calling process ends without dropping the pool (a signal kills
///   it, for example), all workers end: an idle worker at once, also while others
///   are busy, and a busy worker at the latest when `job` has returned. (It may also
///   end at once. A worker may look from time to time whether its caller has ended,
///   at least every 0.2 s.)
///
/// The contract does not cover the following cases:
/// - The caller ignores SIGCHLD, or it does not ignore SIGPIPE (every Rust program
///   ignores it from the start), or it waits for the pool's workers itself.
/// - One of the descriptors 0 to 2 is closed.
/// - A forked copy of the caller uses or drops the pool. C11 does not hold while
///   another process has copies of the pool's descriptors: a child that the caller
///   has forked itself, or a worker of another pool. Nor does it hold for a worker
///   that has stopped, until the worker continues.
/// - `job` uses or closes descriptors of the pool, executes another program
///   (execve), or leaves a running process behind. A real-time signal (34 or
///   higher) ends a worker.
/// - Text waits in the buffer of standard output while `start` or `map` runs or
///   when a worker ends.
/// - A system call fails that C12 and C16 do not name (for want of memory, for
///   example).
#[derive(Debug)]
pub struct Pool {
    // Your fields.
}

impl Pool {
    /// Starts `workers` processes that wait for items. They will run `job`.
    ///
    /// # Errors
    /// - C12: For 0 workers, the error has the kind [`io::ErrorKind::InvalidInput`],
    ///   and no process is started. If fork(2), or pipe(2) or socketpair(2), fails for
    ///   one of the workers, the call returns this error with its number
    ///   ([`io::Error::raw_os_error`]) and does not try again. (fork(2) stands for
    ///   every call that starts a process, such as clone(2). A pool that needs no pipe
    ///   and no socket has no such error.) The workers that had been started are then
    ///   ended and reaped, and no descriptor is left. Every value of `workers` up to
    ///   `usize::MAX` is allowed, although the kernel will refuse the large ones.
    ///
    /// # Safety
    /// The caller's process has one thread, at this call, at every call of
    /// [`map`](Pool::map) and at the drop: a child that `fork` makes has a copy of
    /// only one thread, and locks that other threads held would stay locked in it for
    /// ever.
    #[allow(unused_variables)]
    pub unsafe fn start(workers: usize, job: fn(u64) -> u64) -> io::Result<Pool> {
        todo!("start the workers; each of them reads items, runs `job` and sends answers")
    }

    /// Runs the pool's job on every item, and returns the results.
    ///
    /// - C13: The call returns one result for each item: `results[i]` belongs to
    ///   `items[i]`, in whatever order the workers finish. Every `u64` can be an item
    ///   and an answer, items can be equal, and there can be any number of them. For
    ///   no items, the result is an empty vector. The results do not depend on how
    ///   many descriptors the caller has open, nor on the numbers of the pool's
    ///   descriptors (select(2) can only wait for those below 1,024).
    /// - C14: While an item waits, no worker is idle: a worker that has sent an answer
    ///   gets the next item without waiting for any other worker. (A pool may sleep
    ///   between two looks: at most 1 ms between two looks for answers, and at most
    ///   10 ms between two looks for workers that have ended.) A busy worker is not
    ///   given a second item. So all workers work at the same time, and a long item
    ///   delays no item that another worker could do. The pool gives out the items in
    ///   their order, also if it had to look for another worker for one of them.
    /// - C15: The call returns when every item has its result, and not before. There is
    ///   no limit of time. Signals that interrupt the call, however many, do not end
    ///   it, and a worker that stops (SIGSTOP) has not ended.
    ///
    /// # Errors
    /// - C16: If fork(2), or pipe(2) or socketpair(2), fails for a new worker, the call
    ///   returns this error with its number and does not try again. The same holds if a
    ///   call with which `map` waits for its workers (waitid(2) or poll(2), for example)
    ///   fails for another reason than an interruption. When `map` returns the error,
    ///   the workers that were busy have been ended and reaped, as far as the kernel
    ///   lets the pool wait for them. (It may end the idle ones as well.) The pool stays
    ///   usable, however many calls have failed: the next call starts the missing
    ///   workers and returns the results of its own items only.
    #[allow(unused_variables)]
    pub fn map(&mut self, items: &[u64]) -> io::Result<Vec<Result<u64, Ending>>> {
        todo!("give items to idle workers, and wait for answers and for the ends of workers")
    }
}

impl Drop for Pool {
    /// Ends the workers, as C8 says.
    fn drop(&mut self) {
        todo!("end and reap every worker")
    }
}
