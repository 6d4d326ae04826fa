//! A worker: runs what it forked, steals what others forked, and sleeps if there is nothing.

use super::job::{JobRef, Latch, Sleeper, StackJob};
use crossbeam::deque::{self, Injector, Steal, Stealer};
use std::cell::Cell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use sync::EventCount;

/// What the workers of a pool share.
pub(super) struct Shared {
    /// What comes from outside.
    injector: Injector<JobRef>,
    stealers: Vec<Stealer<JobRef>>,
    /// Workers without work sleep here; those that wait for a stolen job too, since they can work
    /// meanwhile.
    work: EventCount,
    /// Threads from outside sleep here. They take no work, so a wake-up for work must not reach
    /// them.
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

    /// Work from a thread that is no worker.
    pub(super) fn inject(&self, job: JobRef) {
        self.injector.push(job);
        self.work.notify_one();
    }

    /// Sleeps until a job that was injected is done.
    pub(super) fn wait_outside(&self, done: &Latch) {
        done.will_sleep(Sleeper::Outside);
        self.outside.wait_until(|| done.is_set().then_some(()));
    }

    /// Lets the workers end when there is nothing left to do.
    pub(super) fn close(&self) {
        self.closing.store(true, Relaxed);
        self.work.notify_all();
    }

    /// A latch was set that this one sleeps on. Nobody knows which of the sleepers that is, so all
    /// look.
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
    /// The worker that this thread is, or null.
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

    /// Calls `f` with the worker that this thread is, if it is one.
    pub(super) fn with_current<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
        // SAFETY: null, or a worker whose `work` is further down on this very stack: it sets the
        // pointer, and sets it back before the worker ends.
        f(unsafe { CURRENT.get().as_ref() })
    }

    pub(super) fn is_of(&self, shared: &Arc<Shared>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// The worker's life.
    pub(super) fn work(&self) {
        CURRENT.set(self);
        let closing = || self.shared.closing.load(Relaxed);
        while let Some(job) = self.next_unless(closing, || ()) {
            job.execute(&self.shared); // does not panic
        }
        CURRENT.set(ptr::null());
    }

    /// Forks a job: this worker will take it back, unless another steals it first.
    pub(super) fn push(&self, job: JobRef) {
        self.deque.push(job);
        self.shared.work.notify_one();
    }

    /// Returns when nobody else has `job` or will have it: true if it is here and was not touched,
    /// false if another has done it.
    pub(super) fn take_back<F: FnOnce() -> R, R>(&self, job: &StackJob<F, R>) -> bool {
        // What was pushed after it has been taken back after it, so it is on top; or it was stolen,
        // and on top is what this worker forked earlier, as good as any other work.
        while let Some(top) = self.deque.pop() {
            if top.is(job) {
                return true;
            }
            top.execute(&self.shared);
            if job.latch().is_set() {
                return false;
            }
        }
        let done = || job.latch().is_set();
        let will_sleep = || job.latch().will_sleep(Sleeper::Worker);
        while let Some(other) = self.next_unless(done, will_sleep) {
            other.execute(&self.shared);
        }
        false
    }

    /// The next job to run, as soon as there is one; none if `enough`, which is asked first. Calls
    /// `will_sleep` before it sleeps.
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

    /// A job from the own deque, from outside, or from another's deque.
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

/// How often a worker looks around before it sleeps. Where it is explored it sleeps at once, so that
/// the sleeping is explored.
fn patience() -> u32 {
    if cfg!(feature = "explored") { 0 } else { 32 }
}

/// Steals until it is certain whether there is anything. `Retry` says that another thread came in
/// between; it is not `Empty`, and who sleeps on it may sleep beside work.
fn certain(steal: impl Fn() -> Steal<JobRef>) -> Option<JobRef> {
    loop {
        match steal() {
            Steal::Success(job) => return Some(job),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}
