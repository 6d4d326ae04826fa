//! A pool: a fixed number of threads, a bounded queue, and jobs that come one by one.
//!
//! ```text
//!  submit ──▶ ┌───┬───┬───┬───┐ ──▶ worker 0   runs a job, then takes the next
//!  waits      │ 4 │ 3 │ 2 │ 1 │ ──▶ worker 1
//!  while full └───┴───┴───┴───┘         …
//! ```

mod error;
mod handle;

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};

use sync::{Condvar, Monitor};

pub use error::{PoolError, Rejected, Why};
use handle::Queued;
pub use handle::{JobError, JobHandle};

/// A fixed number of threads that run jobs from a queue of fixed length.
///
/// ```
/// let pool = threads::Pool::new(2, 16)?;
/// let squares: Vec<_> = (1..=5)
///     .map(|n| pool.submit(move || n * n).unwrap())
///     .collect();
/// let squares: Vec<u32> = squares.into_iter().map(|job| job.wait().unwrap()).collect();
/// assert_eq!(squares, [1, 4, 9, 16, 25]);
/// # Ok::<(), threads::PoolError>(())
/// ```
///
/// - **Backpressure.** Submitting waits while the queue is full. So a thread that submits jobs
///   faster than they are done is slowed down instead of filling the memory.
/// - **Panics.** A panic ends its job, and the [`JobHandle`] of the job returns it. The worker goes
///   on with the next job.
/// - **The end.** Dropping the pool waits until all queued jobs are done. To discard the queued
///   jobs, use [`shutdown_now`](Self::shutdown_now).
///
/// A job that waits for another job of the same pool blocks a worker. If all workers wait like
/// this, the pool is deadlocked. The same holds for two pools if the jobs of each wait for jobs of
/// the other, or for room in its queue. Let the job end instead, and let the thread that submitted
/// it submit what comes next. For work that splits into parts use [`ForkJoin`](crate::ForkJoin),
/// whose workers run other jobs while they wait.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    capacity: usize,
    queue: Monitor<Queue, Conditions>,
}

struct Queue {
    jobs: VecDeque<Queued>,
    open: bool,
    /// How many workers sleep and have not been woken for a job. The number may be too high,
    /// because a worker that wakes up for no reason counts itself again.
    asleep: usize,
}

#[derive(Default)]
struct Conditions {
    /// Signalled when a job has come, or when no more jobs will come.
    to_do: Condvar,
    /// Signalled when the queue has room, or when the pool is closed.
    room: Condvar,
}

thread_local! {
    /// The pool that this thread works for, as the address of its [`Shared`]; 0 if there is none.
    static WORKS_FOR: Cell<usize> = const { Cell::new(0) };
}

impl Pool {
    /// Starts `workers` threads, named `pool 0` and so on. The queue has room for `capacity` jobs;
    /// running jobs do not count.
    ///
    /// # Errors
    /// [`PoolError`] if one of the numbers is 0 or the system refuses a thread. In the second case
    /// the threads that were started have ended.
    pub fn new(workers: usize, capacity: usize) -> Result<Self, PoolError> {
        if workers == 0 {
            return Err(PoolError::NoWorkers);
        }
        if capacity == 0 {
            return Err(PoolError::NoRoom);
        }
        let queue = Queue {
            jobs: VecDeque::new(),
            open: true,
            asleep: 0,
        };
        let mut pool = Self {
            shared: Arc::new(Shared {
                capacity,
                queue: Monitor::with_conditions(queue, Conditions::default()),
            }),
            workers: Vec::new(),
        };
        for n in 0..workers {
            let shared = Arc::clone(&pool.shared);
            let worker = Builder::new()
                .name(format!("pool {n}"))
                .spawn(move || shared.work())
                .map_err(|source| PoolError::Refused { started: n, source })?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    /// Queues a job, and waits for room if the queue is full. The handle waits for the result of
    /// the job. If the handle is dropped, the job runs all the same.
    ///
    /// # Errors
    /// [`Rejected`], with the job, if the pool is [closed](Self::close), or if the queue is full
    /// and this thread is one of the pool's own workers: a worker must not wait for itself.
    pub fn submit<R, F>(&self, job: F) -> Result<JobHandle<R>, Rejected<F>>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.enqueue(job, true, handle::job)
    }

    /// [`submit`](Self::submit), without waiting.
    ///
    /// # Errors
    /// [`Rejected`], with the job, if the queue is full or the pool is closed.
    pub fn try_submit<R, F>(&self, job: F) -> Result<JobHandle<R>, Rejected<F>>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.enqueue(job, false, handle::job)
    }

    /// [`submit`](Self::submit) without a handle, for a job whose result no thread waits for. This
    /// is cheaper. Only the panic hook reports a panic of the job.
    ///
    /// # Errors
    /// As for [`submit`](Self::submit).
    pub fn execute<F: FnOnce() + Send + 'static>(&self, job: F) -> Result<(), Rejected<F>> {
        self.enqueue(job, true, |job| (Queued::Alone(Box::new(job)), ()))
    }

    /// Closes the pool: it takes no more jobs. Queued jobs will be done. Threads that wait for room
    /// get [`Rejected`].
    pub fn close(&self) {
        let mut queue = self.shared.queue.enter();
        queue.open = false;
        queue.notify_all(|c| &c.to_do);
        queue.notify_all(|c| &c.room);
    }

    /// Drops all jobs that have not begun, waits for those that have begun, and returns how many
    /// jobs it dropped. The handles of these jobs return [`JobError::Dropped`].
    pub fn shutdown_now(self) -> usize {
        self.close();
        // The jobs are dropped here, outside the lock: a job may own anything, also other jobs of
        // this pool.
        let dropped = std::mem::take(&mut self.shared.queue.enter().jobs);
        dropped.len()
    }

    /// How many jobs are queued and not yet begun.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.queue.enter().jobs.len()
    }

    /// `pack` turns the job into an entry for the queue and a handle for the caller.
    fn enqueue<F, H>(
        &self,
        job: F,
        may_wait: bool,
        pack: impl FnOnce(F) -> (Queued, H),
    ) -> Result<H, Rejected<F>> {
        let capacity = self.shared.capacity;
        let mut queue = self.shared.queue.enter();
        if may_wait && WORKS_FOR.get() != self.shared.address() {
            queue.wait_while(
                |c| &c.room,
                |queue| queue.open && queue.jobs.len() >= capacity,
            );
        }
        if !queue.open {
            return Err(Rejected {
                job,
                why: Why::Closed,
            });
        }
        if queue.jobs.len() >= capacity {
            return Err(Rejected {
                job,
                why: Why::Full,
            });
        }
        let (queued, handle) = pack(job);
        queue.jobs.push_back(queued);
        // Each sleeping worker gets one wake-up. A worker that was woken and has not arrived yet
        // needs no second one.
        if queue.asleep > 0 {
            queue.asleep -= 1;
            queue.leave_and_notify_one(|c| &c.to_do);
        }
        Ok(handle)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close();
        for worker in self.workers.drain(..) {
            // If a job owns its own pool and drops it, the job's worker must not wait for itself.
            if worker.thread().id() != thread::current().id() {
                let _no_panic_gets_out_of_a_worker = worker.join();
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("workers", &self.workers.len())
            .field("queued", &self.queued())
            .finish()
    }
}

impl Shared {
    /// The main loop of a worker.
    fn work(&self) {
        WORKS_FOR.set(self.address());
        while let Some(job) = self.next_job() {
            // The destructor of the panic's payload may panic as well, so the payload is leaked.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job.run())) {
                std::mem::forget(payload);
            }
        }
    }

    /// Waits for the next job. Returns `None` when no more jobs will come.
    fn next_job(&self) -> Option<Queued> {
        // The next job often comes very soon, and a sleep with a wake-up costs more than looking
        // for it.
        for _ in 0..patience() {
            // Only try to get the lock, so as not to be in the way of the thread that brings the
            // job.
            if let Some(mut queue) = self.queue.try_enter()
                && let Some(job) = queue.jobs.pop_front()
            {
                queue.leave_and_notify_one(|c| &c.room);
                return Some(job);
            }
            thread::yield_now();
        }
        let mut queue = self.queue.enter();
        queue.wait_while(
            |c| &c.to_do,
            |queue| {
                let nothing = queue.jobs.is_empty() && queue.open;
                queue.asleep += usize::from(nothing);
                nothing
            },
        );
        let job = queue.jobs.pop_front()?;
        queue.leave_and_notify_one(|c| &c.room);
        Some(job)
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// How often a worker looks for a job before it sleeps. In the tests that explore schedules it looks
/// once, so that both ways to find a job are explored, the look and the sleep.
fn patience() -> u32 {
    if cfg!(feature = "explored") { 1 } else { 32 }
}
