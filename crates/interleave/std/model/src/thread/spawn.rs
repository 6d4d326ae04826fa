//! Starting threads and waiting for their end.

use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::os::unix::thread::{JoinHandleExt, RawPthread};
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Thread, local};
use crate::kernel::{
    self, Place, Run,
    engine::Seed,
    event::{Event, Returned, Step},
    failure::short_place,
    object::Kind,
    thread::{Status, Wait},
};

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
    let body: Box<dyn FnOnce() -> bool + '_> = Box::new(move || finish(&theirs, f));
    // SAFETY: the caller promises that what is borrowed is there until the thread has ended. If the
    // execution is given up before that, the thread never runs again.
    let body: Box<dyn FnOnce() -> bool + 'static> = unsafe { std::mem::transmute(body) };
    let number = start_erased(body, name, at);
    JoinHandle {
        thread: Thread::new(&kernel::must_run(Kind::Thread), number),
        number,
        packet,
    }
}

/// Runs a thread's closure to its end, destroys its thread-local values, and keeps what it
/// returned. True if it panicked.
pub(super) fn finish<T>(packet: &Packet<T>, f: impl FnOnce() -> T) -> bool {
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    let panicked = result.is_err();
    local::destroy_all();
    *packet.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    panicked
}

/// Starts a thread that runs `body`, which says whether it panicked.
pub(super) fn start_erased(
    body: Box<dyn FnOnce() -> bool + 'static>,
    name: Option<String>,
    at: Place,
) -> usize {
    let run = kernel::must_run(Kind::Thread);
    let room = run.state.borrow().threads.len() < run.engine.max_threads();
    if !room {
        run.too_many_threads(at);
    }
    let number = Rc::new(Cell::new(kernel::NOBODY));
    let mine = Rc::clone(&number);
    let in_thread = Rc::clone(&run);
    // What the closure of an abandoned thread owns is leaked, and never dropped outside of its
    // thread.
    let body = ManuallyDrop::new(body);
    let body = move || {
        in_thread.current.set(mine.get());
        if ManuallyDrop::into_inner(body)() {
            in_thread.ended_by_panic();
        }
        in_thread.end_thread();
        in_thread.current.set(kernel::NOBODY);
    };
    run.step(Step::LOCAL, at, |engine| engine.spawn(Box::new(body)));
    let object = run.register(Kind::Thread, at, Seed::Plain);
    let new = {
        let mut state = run.state.borrow_mut();
        state
            .threads
            .push(kernel::thread::Thread::new(object, name, at));
        state.threads.len() - 1
    };
    number.set(new);
    let mut event = Event::new(run.me(), "spawn", at);
    event.object = Some(object);
    run.log(event);
    run.changed(object);
    new
}

/// Waits until thread `number` has ended.
pub(super) fn join(run: &Run, number: usize, at: Place) {
    let object = run.state.borrow().threads[number].object;
    let finished = || run.state.borrow().threads[number].status == Status::Finished;
    let mut event = Event::new(run.me(), "join", at);
    event.object = Some(object);
    if finished() {
        run.point(Step::read(object), object, Ordering::Acquire, at);
    } else {
        event.returned = Returned::Word("waits");
        run.log(event);
        while !finished() {
            run.block(Wait::Join(number), Step::read(object), at);
        }
        run.resync(object, Ordering::Acquire);
    }
    run.state.borrow_mut().threads[number].unobserved_panic = false;
    event.returned = Returned::Word("it has ended");
    run.log(event);
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
    run.point(Step::GLOBAL, object, Ordering::Acquire, at);
    let finished = run.state.borrow().threads[number].status == Status::Finished;
    let mut event = Event::new(run.me(), "is_finished", at);
    event.object = Some(object);
    event.returned = Returned::Word(if finished { "yes" } else { "no" });
    run.log(event);
    if !finished {
        run.saw(object, 0);
    }
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

impl Run {
    fn too_many_threads(&self, at: Place) -> ! {
        {
            let mut state = self.state.borrow_mut();
            state.stopping = true;
            state.too_many_threads = Some(at);
        }
        self.engine.stop()
    }
}
