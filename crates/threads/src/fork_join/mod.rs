//! Fork and join: a problem is split into two parts, each part is split again, and a few threads
//! solve the parts.
//!
//! Each worker has a deque. It pushes the jobs that it forks at one end and takes them back from
//! there, newest first. A worker without work steals from the other end, oldest and biggest first:
//!
//! ```text
//!  worker 0                                worker 1
//!    join(a, b): push b, run a               has nothing
//!    deque: [b₁ b₂ b₃] ◀─ push, pop          deque: []
//!            ▲
//!            └───────────────── steal ───────┘
//! ```
//!
//! A worker that waits for a stolen job runs other jobs meanwhile. It sleeps only if there are
//! none. The method is from R. D. Blumofe and C. E. Leiserson, "Scheduling Multithreaded
//! Computations by Work Stealing", JACM 46(5), 1999; the deque is from D. Chase and Y. Lev,
//! "Dynamic Circular Work-Stealing Deque", SPAA 2005.

mod deque;
mod job;
mod worker;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use job::StackJob;
use worker::{Shared, Worker};

use crate::PoolError;

/// A fixed number of threads that steal work from each other.
///
/// ```
/// use threads::{ForkJoin, join};
///
/// fn sum(numbers: &[u64]) -> u64 {
///     if numbers.len() <= 1_000 {
///         return numbers.iter().sum(); // a fork costs as much as some dozens of additions
///     }
///     let (left, right) = numbers.split_at(numbers.len() / 2);
///     let (left, right) = join(|| sum(left), || sum(right));
///     left + right
/// }
///
/// let numbers: Vec<u64> = (1..=10_000).collect();
/// let pool = ForkJoin::new(2)?;
/// assert_eq!(pool.run(|| sum(&numbers)), 50_005_000);
/// # Ok::<(), threads::PoolError>(())
/// ```
///
/// Jobs should compute and not block: while a worker sleeps in a system call, the pool has one
/// worker less. A worker that waits in [`join`] or in [`run`](Self::run) is not lost, because it
/// runs other jobs of its own pool meanwhile. So two pools may run work in each other, to any depth.
/// But a job that waits in another way for a job of its own pool, for example for a message, may
/// wait for ever: perhaps no worker is left that could run that job.
///
/// A job must not hold a lock while it is in `join` or `run`. The other jobs run on the same thread,
/// on top of this one. If one of them needs the lock, its thread waits for itself.
pub struct ForkJoin {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl ForkJoin {
    /// Starts `workers` threads, named `fork-join 0` and so on.
    ///
    /// # Errors
    /// [`PoolError`] if `workers` is 0 or the system refuses a thread. In the second case the
    /// threads that were started have ended.
    pub fn new(workers: usize) -> Result<Self, PoolError> {
        if workers == 0 {
            return Err(PoolError::NoWorkers);
        }
        let (shared, deques) = Shared::new(workers);
        let mut pool = Self {
            shared: Arc::new(shared),
            threads: Vec::new(),
        };
        for (n, deque) in deques.into_iter().enumerate() {
            let shared = Arc::clone(&pool.shared);
            let thread = Builder::new()
                .name(format!("fork-join {n}"))
                .spawn(move || Worker::new(deque, n, shared).work())
                .map_err(|source| PoolError::Refused { started: n, source })?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Runs `f` on a worker and waits for its result. Inside `f`, [`join`] forks. If the calling
    /// thread is a worker of this pool, this simply calls `f`. If it is a worker of another pool, it
    /// runs jobs of its own pool while it waits. Any other thread sleeps.
    ///
    /// Several threads may call this at the same time.
    ///
    /// # Panics
    /// If `f` panics, with its payload.
    pub fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        Worker::with_current(|worker| {
            if worker.is_some_and(|worker| worker.is_of(&self.shared)) {
                return f();
            }
            let job = StackJob::awaited_in(worker.map(Worker::shared), f);
            // SAFETY: `job` stays where it is until `work_until` or `wait_outside` has seen its latch
            // set, and nothing in between can panic.
            self.shared.inject(unsafe { job.as_ref() });
            match worker {
                // If it slept instead, its pool would have a worker less. Two pools that run work in
                // each other could then wait for each other for ever.
                Some(worker) => worker.work_until(job.latch()),
                None => self.shared.wait_outside(job.latch()),
            }
            job.into_result()
                .unwrap_or_else(|payload| resume_unwind(payload))
        })
    }
}

/// Runs `a` and `b`, if possible at the same time, and returns both results.
///
/// On a worker of a [`ForkJoin`] it runs `a` and lets other workers steal `b`. If no worker steals
/// `b`, it runs `b` too. Calls may be nested, also in a pool of one worker. On any other thread no
/// worker can help, and `a` and `b` run one after the other.
///
/// # Panics
/// If `a` or `b` panics. The panic continues when neither is running any more, with the payload of
/// `a` if `a` panicked, otherwise with that of `b`. If `a` panics before `b` has begun, `b` may be
/// dropped without having run.
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    Worker::with_current(|worker| match worker {
        Some(worker) => fork(worker, a, b),
        None => (a(), b()),
    })
}

fn fork<A, B, RA, RB>(worker: &Worker, a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA,
    B: FnOnce() -> RB + Send,
    RB: Send,
{
    let job = StackJob::new(b);
    // SAFETY: `job` stays where it is until `take_back` says that no other thread has it or will
    // have it: it was popped, or its latch is set. The panic of `a` is held back until then, and
    // neither `push` nor `take_back` panics.
    worker.push(unsafe { job.as_ref() });
    let a = catch_unwind(AssertUnwindSafe(a));
    let untouched = worker.take_back(&job);
    let a = match a {
        Ok(a) => a,
        Err(payload) => resume_unwind(payload),
    };
    let b = if untouched {
        job.run_here()
    } else {
        job.into_result()
            .unwrap_or_else(|payload| resume_unwind(payload))
    };
    (a, b)
}

impl Drop for ForkJoin {
    fn drop(&mut self) {
        self.shared.close();
        for thread in self.threads.drain(..) {
            let _no_panic_gets_out_of_a_worker = thread.join();
        }
    }
}

impl fmt::Debug for ForkJoin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForkJoin")
            .field("workers", &self.threads.len())
            .finish_non_exhaustive()
    }
}
