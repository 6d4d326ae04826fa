//! A pool: some threads, a queue with an end, and jobs that come one by one.
//!
//! ```text
//!  submit ──▶ ┌───┬───┬───┬───┐ ──▶ worker 0   runs a job, then takes the next
//!  waits      │ 4 │ 3 │ 2 │ 1 │ ──▶ worker 1
//!  while full └───┴───┴───┴───┘         …
//! ```

mod error;
mod handle;

pub use error::{PoolError, Rejected, Why};
pub use handle::{JobError, JobHandle};

use handle::Queued;
use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};
use sync::{Condvar, Monitor};

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
/// - **Backpressure.** Submitting waits while the queue is full, so whoever produces jobs faster
///   than they are done is slowed down instead of filling the memory.
/// - **Panics** end the job, and its [`JobHandle`] tells; the worker goes on.
/// - **The end.** Dropping the pool finishes what is queued and waits for it. To let the queue go,
///   use [`shutdown_now`](Self::shutdown_now).
///
/// A job that waits for another job of the same pool holds a worker; if all do that, nothing goes
/// on any more. For work that splits into parts use [`ForkJoin`](crate::ForkJoin), whose workers
/// run something else while they wait.
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
    /// Workers that sleep and that no job has been queued for. At least: one may wake up for no reason.
    asleep: usize,
}

#[derive(Default)]
struct Conditions {
    /// A job has come, or none will any more.
    to_do: Condvar,
    /// There is room, or jobs are not taken any more.
    room: Condvar,
}

thread_local! {
    /// The pool that this thread works for: the address of what it shares with it.
    static WORKS_FOR: Cell<usize> = const { Cell::new(0) };
}

impl Pool {
    /// Starts `workers` threads, named `pool 0` and so on. The queue has room for `capacity` jobs;
    /// those that are running do not count.
    ///
    /// # Errors
    /// [`PoolError`]: one of the numbers is 0, or the system refuses a thread; then those that were
    /// started have ended.
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

    /// Queues a job, waiting for room; the handle waits for its result. Without the handle the job
    /// runs all the same.
    ///
    /// # Errors
    /// [`Rejected`], with the job: the pool is [closed](Self::close). Or the queue is full and this
    /// thread is one of the pool's own workers, which must not wait for itself.
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
    /// [`Rejected`], with the job: the queue is full or the pool is closed.
    pub fn try_submit<R, F>(&self, job: F) -> Result<JobHandle<R>, Rejected<F>>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        self.enqueue(job, false, handle::job)
    }

    /// [`submit`](Self::submit) without a handle, for a job that nobody waits for; cheaper.
    /// Of its panic only the panic hook tells.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    pub fn execute<F: FnOnce() + Send + 'static>(&self, job: F) -> Result<(), Rejected<F>> {
        self.enqueue(job, true, |job| (Queued::Alone(Box::new(job)), ()))
    }

    /// Takes no more jobs. What is queued will be done; who waits for room is rejected.
    pub fn close(&self) {
        let mut queue = self.shared.queue.enter();
        queue.open = false;
        queue.notify_all(|c| &c.to_do);
        queue.notify_all(|c| &c.room);
    }

    /// Drops all jobs that have not begun, and returns how many, when those that have are done. The
    /// handles of the dropped say so.
    pub fn shutdown_now(self) -> usize {
        self.close();
        // Dropped here, outside: a job may own whatever it likes, this pool's other jobs included.
        let dropped = std::mem::take(&mut self.shared.queue.enter().jobs);
        dropped.len()
    }

    /// How many jobs are queued and not yet begun.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.queue.enter().jobs.len()
    }

    /// `pack` makes of the job what goes into the queue, and what its owner gets.
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
        // One wake-up for each worker that sleeps; one that has been woken and is not there yet needs
        // no second.
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
            // A job that owns the last handle of its own pool must not wait for itself.
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
    /// A worker's life.
    fn work(&self) {
        WORKS_FOR.set(self.address());
        while let Some(job) = self.next_job() {
            // What gets out of a job has a payload whose destructor may panic as well, so it is left
            // alone.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| job.run())) {
                std::mem::forget(payload);
            }
        }
    }

    /// The next job, as soon as there is one; none when there will be no more.
    fn next_job(&self) -> Option<Queued> {
        // The next job is often on its way already, and a sleep and a wake-up cost more than it does.
        for _ in 0..patience() {
            // Only tries, so as not to be in the way of whoever brings the job.
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

/// How often a worker looks for a job before it sleeps. Where it is explored it sleeps at once, so
/// that the sleeping is explored.
fn patience() -> u32 {
    if cfg!(feature = "explored") { 0 } else { 32 }
}
