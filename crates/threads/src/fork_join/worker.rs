//! A worker: it runs the jobs that it forked, steals jobs that others forked, and sleeps if there
//! are none.

use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use sync::EventCount;

use super::deque::{self, Injector, Steal, Stealer};
use super::job::{JobRef, Latch, Sleeper, StackJob};

/// What the workers of a pool share.
pub(super) struct Shared {
    /// Jobs from threads that are not workers.
    injector: Injector<JobRef>,
    stealers: Vec<Stealer<JobRef>>,
    /// Workers without work sleep here. Workers that wait for a stolen job sleep here too, because
    /// they can run other jobs meanwhile.
    work: EventCount,
    /// Threads that are not workers sleep here. They run no jobs, so a wake-up for a new job must
    /// not reach them.
    outside: EventCount,
    closing: AtomicBool,
}

impl Shared {
    pub(super) fn new(workers: usize) -> (Self, Vec<deque::Worker<JobRef>>) {
        let deques: Vec<_> = (0..workers).map(|_| deque::Worker::new_lifo()).collect();
        let shared = Self {
            injector: Injector::new(),
            stealers: deques.iter().map(deque::Worker::stealer).collect(),
            work: EventCount::new(),
            outside: EventCount::new(),
            closing: AtomicBool::new(false),
        };
        (shared, deques)
    }

    /// Adds a job from a thread that is not a worker.
    pub(super) fn inject(&self, job: JobRef) {
        self.injector.push(job);
        self.work.notify_one();
    }

    /// Sleeps until an injected job is done.
    pub(super) fn wait_outside(&self, done: &Latch) {
        done.will_sleep(Sleeper::Outside);
        self.outside.wait_until(|| done.is_set().then_some(()));
    }

    /// Lets the workers end when there is nothing left to do.
    pub(super) fn close(&self) {
        self.closing.store(true, Relaxed);
        self.work.notify_all();
    }

    /// Wakes the thread that sleeps until a latch is set. It is not known which of the sleeping
    /// threads that is, so all wake up and look.
    pub(super) fn wake(&self, sleeper: Sleeper) {
        match sleeper {
            Sleeper::Nobody => {}
            Sleeper::Worker => self.work.notify_all(),
            Sleeper::Outside => self.outside.notify_all(),
        }
    }
}

pub(super) struct Worker {
    deque: deque::Worker<JobRef>,
    index: usize,
    shared: Arc<Shared>,
}

thread_local! {
    /// The worker that runs on this thread, or null.
    static CURRENT: Cell<*const Worker> = const { Cell::new(ptr::null()) };
}

impl Worker {
    pub(super) fn new(deque: deque::Worker<JobRef>, index: usize, shared: Arc<Shared>) -> Self {
        Self {
            deque,
            index,
            shared,
        }
    }

    /// Calls `f` with the worker that runs on this thread, if there is one.
    pub(super) fn with_current<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
        // SAFETY: the pointer is null, or it points to a worker whose `work` is further down on
        // this very stack. `work` sets the pointer, and sets it back to null before the worker
        // ends.
        f(unsafe { CURRENT.get().as_ref() })
    }

    pub(super) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The main loop of the worker.
    pub(super) fn work(&self) {
        CURRENT.set(self);
        let closing = || self.shared.closing.load(Relaxed);
        while let Some(job) = self.next_unless(closing, || ()) {
            job.execute(&self.shared); // does not panic
        }
        CURRENT.set(ptr::null());
    }

    /// Forks a job: this worker will take it back, unless another worker steals it first.
    pub(super) fn push(&self, job: JobRef) {
        self.deque.push(job);
        self.shared.work.notify_one();
    }

    /// Returns when no other worker has `job` or will have it: true if the job is still here and
    /// was not executed, false if another worker has executed it.
    pub(super) fn take_back<F: FnOnce() -> R, R>(&self, job: &StackJob<'_, F, R>) -> bool {
        // Jobs that were pushed after `job` have been taken back already, so `job` is on top unless
        // it was stolen. Thieves take the oldest job first, so if it was stolen, the deque is empty.
        // The loop does not rely on that: any other job on top is as good as any other work.
        while let Some(top) = self.deque.pop() {
            if top.is(job) {
                return true;
            }
            top.execute(&self.shared);
            if job.latch().is_set() {
                return false;
            }
        }
        self.work_until(job.latch());
        false
    }

    /// Runs jobs of this worker's pool until `done` is set. Sleeps only while there are none.
    pub(super) fn work_until(&self, done: &Latch) {
        let will_sleep = || done.will_sleep(Sleeper::Worker);
        while let Some(other) = self.next_unless(|| done.is_set(), will_sleep) {
            other.execute(&self.shared);
        }
    }

    /// Waits for the next job to run. Returns `None` if `enough` returns true, which is asked
    /// first. Calls `will_sleep` before it sleeps.
    fn next_unless(&self, enough: impl Fn() -> bool, will_sleep: impl Fn()) -> Option<JobRef> {
        let look = || {
            if enough() {
                return Some(None);
            }
            self.find().map(Some)
        };
        for _ in 0..patience() {
            if let Some(found) = look() {
                return found;
            }
            thread::yield_now();
        }
        will_sleep();
        self.shared.work.wait_until(look)
    }

    /// A job from this worker's own deque, from outside, or from another worker's deque, in this
    /// order.
    fn find(&self) -> Option<JobRef> {
        self.deque.pop().or_else(|| {
            let others = self.shared.stealers.iter().cycle();
            let others = others
                .skip(self.index + 1)
                .take(self.shared.stealers.len() - 1);
            certain(|| self.shared.injector.steal()).or_else(|| {
                others
                    .into_iter()
                    .find_map(|other| certain(|| other.steal()))
            })
        })
    }
}

/// How often a worker looks for a job before it sleeps. In the tests that explore schedules it
/// sleeps at once, so that the sleeping is explored.
fn patience() -> u32 {
    if cfg!(feature = "explored") { 0 } else { 32 }
}

/// Steals until it is certain whether there is a job. `Retry` means that another thread came in
/// between. It does not mean `Empty`: a worker that takes it for `Empty` may sleep although there
/// is work.
fn certain(steal: impl Fn() -> Steal<JobRef>) -> Option<JobRef> {
    loop {
        match steal() {
            Steal::Success(job) => return Some(job),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}
