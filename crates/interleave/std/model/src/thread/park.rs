//! The current thread: its name, parking, sleeping, yielding.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use interleave_search::{Change, Guard, Op};

use super::TOKEN;
use crate::kernel::{self, event::Event, object::Kind, performing::Waiting, thread::Wait};
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
        let op = Op::update(run.word(object) + TOKEN, Change::Swap(1), Ordering::Release);
        let before = run.perform(op, at).read;
        run.acted();
        let word = match before {
            0 => "leaves a token",
            _ => "the token is there",
        };
        run.tell(object, "unpark", word, at);
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
    let object = run.state.borrow().threads[run.me()].object;
    let word = run.word(object) + TOKEN;
    let take = Op::update(word, Change::Swap(0), Ordering::Acquire);
    let waiting = Waiting {
        wait: Wait::Park,
        is_timed: end.is_some(),
        event: Some(run.event(object, verb, "waits", at)),
    };
    let woken = run.timed_wait(take, Guard::Equals(1), waiting, end, at);
    run.tell(object, verb, woken.word("takes the token"), at);
}

/// Lets other threads go first.
#[track_caller]
pub fn yield_now() {
    let run = kernel::must_run(Kind::Thread);
    run.log(Event::new(run.me(), "yield_now", Location::caller()));
}

/// Lets `duration` of virtual time pass. Other threads may do anything meanwhile, or nothing.
#[track_caller]
pub fn sleep(duration: Duration) {
    let run = kernel::must_run(Kind::Thread);
    let end = deadline(&run, duration);
    let me = run.me();
    run.state.borrow_mut().threads[me].clock = end;
    run.log(Event::new(me, "sleep", Location::caller()));
}
