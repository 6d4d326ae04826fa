//! Starting threads and waiting for their end.

use std::fmt;
use std::mem::ManuallyDrop;
use std::os::unix::thread::{JoinHandleExt, RawPthread};
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use interleave_search::Op;

use super::{DONE, Thread, WORDS, local};
use crate::kernel::{
    self, Place, Run, event::Event, failure::short_place, object::Kind, thread::Wait,
};

/// Threads are named by letters, so there are at most so many.
const MOST_THREADS: usize = 26;

/// What a thread returned, once it has.
pub(super) type Packet<T> = Arc<Mutex<Option<std::thread::Result<T>>>>;

/// Starts a thread, as [`std::thread::spawn`].
///
/// # Panics
/// Outside an exploration.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    start(f, None, Location::caller())
}

pub(super) fn start<F, T>(f: F, name: Option<String>, at: Place) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    // SAFETY: it borrows nothing that ends.
    unsafe { start_unchecked(f, name, at) }
}

/// Starts a thread that may borrow.
///
/// # Safety
/// The thread must end before what it borrows is gone.
pub(super) unsafe fn start_unchecked<F, T>(f: F, name: Option<String>, at: Place) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    let packet: Packet<T> = Arc::default();
    let theirs = Arc::clone(&packet);
    let body: Box<dyn FnOnce() + '_> = Box::new(move || {
        finish(&theirs, f, at);
    });
    // SAFETY: the caller promises that what is borrowed is there until the thread has ended. If the
    // execution is given up before that, the thread never runs again.
    let body: Box<dyn FnOnce() + 'static> = unsafe { std::mem::transmute(body) };
    let number = start_erased(body, name, at);
    JoinHandle {
        thread: Thread::new(&kernel::must_run(Kind::Thread), number),
        number,
        packet,
    }
}

/// Runs a thread's closure to its end, keeps what it returned, says that it has ended, and destroys
/// the thread's local values. True if it panicked.
pub(super) fn finish<T>(packet: &Packet<T>, f: impl FnOnce() -> T, at: Place) -> bool {
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    let panicked = result.is_err();
    *packet.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    let run = kernel::must_run(Kind::Thread);
    if panicked {
        run.ended_by_panic();
    }
    let object = {
        let mut state = run.state.borrow_mut();
        let thread = &mut state.threads[run.me()];
        thread.ends = true;
        thread.object
    };
    let op = Op::store(run.word(object) + DONE, 1, Ordering::Release);
    run.perform(op, at);
    let me = run.me();
    run.state.borrow_mut().threads[me].ends = false;
    local::destroy_all();
    panicked
}

/// Starts a thread that runs `body`.
pub(super) fn start_erased(
    body: Box<dyn FnOnce() + 'static>,
    name: Option<String>,
    at: Place,
) -> usize {
    let run = kernel::must_run(Kind::Thread);
    let new = run.state.borrow().threads.len();
    if new >= MOST_THREADS {
        run.give_up(format!(
            "{} starts thread number {}, which is one more than the explorer supports",
            short_place(at),
            new + 1
        ));
    }
    // What the closure of an abandoned thread owns is leaked, and never dropped outside of its
    // thread.
    let body = ManuallyDrop::new(body);
    let in_thread = Rc::clone(&run);
    let body = move || {
        ManuallyDrop::into_inner(body)();
        in_thread.end_thread();
    };
    run.perform(Op::Spawn { thread: 0 }, at);
    run.acted();
    let object = run.register(Kind::Thread, at, &WORDS);
    {
        let mut state = run.state.borrow_mut();
        let clock = state.threads[run.me()].clock;
        let mut thread = kernel::thread::Thread::new(object, name, at);
        thread.clock = clock;
        state.threads.push(thread);
    }
    run.add_fiber(Box::new(body));
    let mut event = Event::new(run.me(), "spawn", at);
    event.object = Some(object);
    run.log(event);
    new
}

/// Waits until thread `number` has ended.
pub(super) fn join(run: &Run, number: usize, at: Place) {
    let object = run.state.borrow().threads[number].object;
    let waits = run.event(object, "join", "waits", at);
    run.wait(Op::Join { thread: number }, Wait::Join(number), waits, at);
    run.acted();
    {
        let me = run.me();
        let mut state = run.state.borrow_mut();
        let ended = &mut state.threads[number];
        ended.unobserved_panic = false;
        let clock = ended.clock;
        let mine = &mut state.threads[me].clock;
        *mine = clock.max(*mine);
    }
    run.tell(object, "join", "it has ended", at);
}

/// The right to wait for a thread, as [`std::thread::JoinHandle`].
pub struct JoinHandle<T> {
    thread: Thread,
    number: usize,
    packet: Packet<T>,
}

// SAFETY: as for std's JoinHandle: a handle is made for a `T: Send` only, and only `join`, which
// takes the handle, gives the `T` out.
unsafe impl<T> Send for JoinHandle<T> {}
// SAFETY: as above; a shared handle gives no `T`.
unsafe impl<T> Sync for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// Waits until the thread has ended.
    ///
    /// # Errors
    /// With the panic's payload, if it panicked.
    #[track_caller]
    pub fn join(self) -> std::thread::Result<T> {
        join(
            &kernel::must_run(Kind::Thread),
            self.number,
            Location::caller(),
        );
        take(&self.packet)
    }

    /// A handle to the thread.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Whether the thread has ended.
    #[track_caller]
    #[must_use]
    pub fn is_finished(&self) -> bool {
        is_finished(self.number, Location::caller())
    }
}

pub(super) fn take<T>(packet: &Packet<T>) -> std::thread::Result<T> {
    packet
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
        .unwrap_or_else(|| Err(Box::new("the thread left no result")))
}

pub(super) fn is_finished(number: usize, at: Place) -> bool {
    let run = kernel::must_run(Kind::Thread);
    let object = run.state.borrow().threads[number].object;
    let op = Op::load(run.word(object) + DONE, Ordering::Relaxed);
    let finished = run.access(object, op, at).read == 1;
    run.tell(
        object,
        "is_finished",
        if finished { "yes" } else { "no" },
        at,
    );
    finished
}

/// A modelled thread is a coroutine of its explorer, so there is no pthread for it.
impl<T> JoinHandleExt for JoinHandle<T> {
    #[track_caller]
    fn as_pthread_t(&self) -> RawPthread {
        no_pthread("as_pthread_t", Location::caller())
    }

    #[track_caller]
    fn into_pthread_t(self) -> RawPthread {
        no_pthread("into_pthread_t", Location::caller())
    }
}

fn no_pthread(verb: &str, at: Place) -> ! {
    let run = kernel::must_run(Kind::Thread);
    run.give_up(format!(
        "{} calls `{verb}`, but an explored thread is not a thread of the kernel and has no pthread_t; \
         code that uses a pthread_t cannot be explored",
        short_place(at)
    ))
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}
