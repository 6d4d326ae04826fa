//! The current thread: its name, parking, sleeping, yielding.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::kernel::{
    self,
    event::{Event, Returned, Step},
    object::Kind,
    thread::{Status, Wait},
};
use crate::time::deadline;

/// The identity of a thread, as [`std::thread::ThreadId`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadId {
    execution: u64,
    number: usize,
}

impl fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadId({})", self.number + 1)
    }
}

/// A handle to a thread, as [`std::thread::Thread`].
#[derive(Clone)]
pub struct Thread {
    id: ThreadId,
    name: Option<Arc<str>>,
}

impl Thread {
    pub(super) fn new(run: &kernel::Run, number: usize) -> Self {
        let state = run.state.borrow();
        Self {
            id: ThreadId {
                execution: run.execution.get(),
                number,
            },
            name: state
                .threads
                .get(number)
                .and_then(|thread| thread.name.as_deref().map(Arc::from)),
        }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.id
    }

    /// Its name. The scenario's own thread is called `main`.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Makes its token available, and wakes it if it is parked.
    #[track_caller]
    pub fn unpark(&self) {
        let at = Location::caller();
        let run = kernel::must_run(Kind::Thread);
        let number = self.id.number;
        if self.id.execution != run.execution.get() {
            return;
        }
        let object = run.state.borrow().threads[number].object;
        run.point(Step::write(object), object, Ordering::Release, at);
        let parked = {
            let mut state = run.state.borrow_mut();
            let thread = &mut state.threads[number];
            if thread.status != Status::Finished {
                thread.token = true;
            }
            thread.wait() == Some(Wait::Park)
        };
        let mut event = Event::new(run.me(), "unpark", at);
        event.object = Some(object);
        event.returned = Returned::Word(if parked { "wakes it" } else { "leaves a token" });
        run.log(event);
        if parked {
            run.wake(number);
        }
        run.changed(object);
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The current thread.
///
/// # Panics
/// Outside an exploration.
#[track_caller]
#[must_use]
pub fn current() -> Thread {
    let run = kernel::must_run(Kind::Thread);
    Thread::new(&run, run.me())
}

/// Waits until the current thread's token is available, and takes it.
#[track_caller]
pub fn park() {
    park_until(None, "park", Location::caller());
}

/// [`park`] for at most `timeout`.
#[track_caller]
pub fn park_timeout(timeout: Duration) {
    let end = deadline(&kernel::must_run(Kind::Thread), timeout);
    park_until(Some(end), "park_timeout", Location::caller());
}

/// [`park_timeout`], with the time in milliseconds.
#[deprecated = "use park_timeout"]
#[track_caller]
pub fn park_timeout_ms(ms: u32) {
    park_timeout(Duration::from_millis(ms.into()));
}

/// [`sleep`], with the time in milliseconds.
#[deprecated = "use sleep"]
#[track_caller]
pub fn sleep_ms(ms: u32) {
    sleep(Duration::from_millis(ms.into()));
}

fn park_until(end: Option<u64>, verb: &'static str, at: kernel::Place) {
    let run = kernel::must_run(Kind::Thread);
    let me = run.me();
    let object = run.state.borrow().threads[me].object;
    run.point(Step::write(object), object, Ordering::Acquire, at);
    let mut event = Event::new(me, verb, at);
    event.object = Some(object);
    let token = std::mem::take(&mut run.state.borrow_mut().threads[me].token);
    if token {
        event.returned = Returned::Word("takes the token");
        run.log(event);
        run.changed(object);
        return;
    }
    event.returned = Returned::Word("parks");
    run.log(event);
    let woken = run.block_maybe_until(end, Wait::Park, Step::write(object), at);
    run.resync(object, Ordering::Acquire);
    run.state.borrow_mut().threads[me].token = false;
    event.returned = Returned::Word(if woken { "unparked" } else { "timed out" });
    run.log(event);
}

/// Lets other threads go first.
#[track_caller]
pub fn yield_now() {
    let at = Location::caller();
    let run = kernel::must_run(Kind::Thread);
    run.step(Step::LOCAL, at, |engine| {
        engine.point(None, Ordering::Relaxed);
    });
    run.log(Event::new(run.me(), "yield_now", at));
}

/// Lets `duration` of virtual time pass. Other threads may do anything meanwhile, or nothing.
#[track_caller]
pub fn sleep(duration: Duration) {
    let at = Location::caller();
    let run = kernel::must_run(Kind::Thread);
    let end = deadline(&run, duration);
    run.log(Event::new(run.me(), "sleep", at));
    run.block_until(end, Wait::Sleep, Step::LOCAL, at);
}
