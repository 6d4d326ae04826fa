//! A job that lives on the stack of the thread that forked it.
//!
//! Putting each forked closure into a `Box` would be safe but slow: a fork is cheap enough to be
//! worth it only if it allocates nothing. So the deques hold bare pointers, and the function that
//! forks must not return before it is certain that no other thread uses its job any more.

use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread;

use super::worker::Shared;

/// A closure, and later its result.
pub(super) struct StackJob<'w, F, R> {
    latch: Latch,
    /// The pool of the worker that waits for this job, if another pool executes the job. This is
    /// borrowed from that worker: with an `Arc` of its own, each fork would pay for a destructor.
    waits_in: Option<&'w Arc<Shared>>,
    content: UnsafeCell<Content<F, R>>,
}

enum Content<F, R> {
    ToDo(F),
    /// The result of the closure, or the payload of its panic.
    Done(thread::Result<R>),
    Running,
}

impl<'w, F: FnOnce() -> R, R> StackJob<'w, F, R> {
    /// A job for the pool of the thread that waits for it, or for a thread that is no worker.
    pub(super) fn new(f: F) -> Self {
        Self::awaited_in(None, f)
    }

    /// A job that another pool executes while a worker of the pool `waits_in` waits for it.
    pub(super) fn awaited_in(waits_in: Option<&'w Arc<Shared>>, f: F) -> Self {
        Self {
            latch: Latch::default(),
            waits_in,
            content: UnsafeCell::new(Content::ToDo(f)),
        }
    }

    pub(super) fn latch(&self) -> &Latch {
        &self.latch
    }

    /// A pointer to this job. Any thread may execute the job through it, once.
    ///
    /// # Safety
    /// The job must not be moved or dropped until the reference has been executed, which the job's
    /// latch tells, or has been taken back unexecuted. The owner of the job must not touch its
    /// content until then.
    pub(super) unsafe fn as_ref(&self) -> JobRef
    where
        F: Send,
        R: Send,
    {
        JobRef {
            job: std::ptr::from_ref(self).cast(),
            execute: Self::execute,
        }
    }

    /// # Safety
    /// `job` must point to a `StackJob<F, R>` that is alive, and this must be called only once for
    /// it.
    unsafe fn execute(job: *const (), shared: &Shared) {
        // SAFETY: by this function's own contract. The owner leaves the content alone until the
        // latch is set, and after that nothing here touches the job.
        let job = unsafe { &*job.cast::<Self>() };
        // SAFETY: as above; the reference ends with the statement.
        let content = unsafe { std::mem::replace(&mut *job.content.get(), Content::Running) };
        if let Content::ToDo(f) = content {
            let result = catch_unwind(AssertUnwindSafe(f));
            // SAFETY: as above; the latch is not set yet.
            unsafe { *job.content.get() = Content::Done(result) };
        }
        let waits_in = job.waits_in.cloned();
        let sleeper = job.latch.set();
        // From here on the job may be gone, and so may the pool of the worker that waited. What has
        // to be woken is still there: `waits_in` is a reference of its own, and the worker that runs
        // this owns a reference to `shared`.
        waits_in.as_deref().unwrap_or(shared).wake(sleeper);
    }

    /// Runs the closure directly, after the job was taken back.
    pub(super) fn run_here(self) -> R {
        match self.content.into_inner() {
            Content::ToDo(f) => f(),
            Content::Done(_) | Content::Running => unreachable!("it was taken back unexecuted"),
        }
    }

    /// The result, after the latch was set.
    pub(super) fn into_result(self) -> thread::Result<R> {
        match self.content.into_inner() {
            Content::Done(result) => result,
            Content::ToDo(_) | Content::Running => unreachable!("its latch is set"),
        }
    }
}

/// Whether a job is done, and which kind of thread sleeps until it is.
#[derive(Default)]
pub(super) struct Latch(AtomicU32);

const SET: u32 = 1;

/// The kind of thread that may sleep until a latch is set.
#[derive(Clone, Copy)]
pub(super) enum Sleeper {
    /// No thread sleeps: the thread that waits is awake and will see that the latch is set.
    Nobody = 0,
    /// A worker. It sleeps in the same place as its pool's workers without work.
    Worker = 2,
    /// The thread that called [`ForkJoin::run`](super::ForkJoin::run).
    Outside = 3,
}

impl Latch {
    /// Acquire: a thread that has seen the latch set also sees the result.
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Acquire) == SET
    }

    /// Records that `sleeper` must be woken when the latch is set, unless it is set already.
    pub(super) fn will_sleep(&self, sleeper: Sleeper) {
        let _already =
            self.0
                .compare_exchange(Sleeper::Nobody as u32, sleeper as u32, Relaxed, Relaxed);
    }

    fn set(&self) -> Sleeper {
        const WORKER: u32 = Sleeper::Worker as u32;
        const OUTSIDE: u32 = Sleeper::Outside as u32;
        match self.0.swap(SET, Release) {
            WORKER => Sleeper::Worker,
            OUTSIDE => Sleeper::Outside,
            _ => Sleeper::Nobody,
        }
    }
}

/// A pointer to a [`StackJob`] without its types.
pub(super) struct JobRef {
    job: *const (),
    execute: unsafe fn(*const (), &Shared),
}

// SAFETY: it points to a closure and a result that may be sent, and one thread executes it.
unsafe impl Send for JobRef {}

impl JobRef {
    /// Executes the job and sets its latch. A panic of the job becomes its result.
    pub(super) fn execute(self, shared: &Shared) {
        // SAFETY: the code that made this keeps the job alive until it is executed. It is executed
        // only once, because `self` is consumed and cannot be cloned.
        unsafe { (self.execute)(self.job, shared) }
    }

    pub(super) fn is<F, R>(&self, job: &StackJob<'_, F, R>) -> bool {
        std::ptr::addr_eq(self.job, std::ptr::from_ref(job))
    }
}
