//! `thread::scope`: threads that may borrow.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use interleave_search::{Guard, Op};

use super::spawn::{Packet, finish, is_finished, join, start_erased, take};
use super::{Builder, DONE, Thread};
use crate::kernel::{
    self, Place,
    event::{Event, Returned},
    object::Kind,
    performing::Waiting,
    thread::Wait,
};

/// A scope for threads, as [`std::thread::Scope`].
pub struct Scope<'scope, 'env: 'scope> {
    data: Arc<Data>,
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

#[derive(Default)]
struct Data {
    /// The threads of the scope. Threads of the scope may start more of them.
    threads: RefCell<Vec<Child>>,
}

struct Child {
    number: usize,
    /// Whether it has panicked, and nobody has joined it.
    has_unseen_panic: Box<dyn Fn() -> bool>,
}

// SAFETY: the cells are only touched by the one modelled thread that runs (see `kernel`).
unsafe impl Send for Data {}
// SAFETY: as above.
unsafe impl Sync for Data {}
// No panic comes between two changes of the list.
impl panic::RefUnwindSafe for Data {}

/// Runs `f` and waits for all threads that it started in its scope.
///
/// # Panics
/// If `f` does, or if a thread of the scope panicked and was not joined.
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    let at = Location::caller();
    let run = kernel::must_run(Kind::Scope);
    let scope = Scope {
        data: Arc::default(),
        _scope: PhantomData,
        _env: PhantomData,
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| f(&scope)));
    if result.is_err() {
        run.caught();
    }
    let mut next = 0;
    while let Some(number) = scope.data.number(next) {
        let object = run.state.borrow().threads[number].object;
        let op = Op::load(run.word(object) + DONE, Ordering::Acquire).when(Guard::Equals(1));
        let mut event = Event::new(run.me(), "scope", at);
        event.returned = Returned::Word("waits for its threads");
        let waiting = Waiting {
            wait: Wait::Scope,
            is_timed: false,
            event: Some(event),
        };
        run.announce(op, Some(waiting), at);
        next += 1;
    }
    run.acted();
    let mut has_panicked = false;
    for child in scope.data.threads.borrow().iter() {
        has_panicked |= (child.has_unseen_panic)();
        run.state.borrow_mut().threads[child.number].unobserved_panic = false;
    }
    match result {
        Err(payload) => panic::resume_unwind(payload),
        Ok(_) if has_panicked => panic!("a scoped thread panicked"),
        Ok(value) => value,
    }
}

impl Data {
    fn number(&self, index: usize) -> Option<usize> {
        let threads = self.threads.borrow();
        threads.get(index).map(|child| child.number)
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Starts a thread that may borrow what outlives the scope.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.start(f, Builder::new().name, Location::caller())
    }

    pub(super) fn start<F, T>(
        &'scope self,
        f: F,
        name: Option<String>,
        at: Place,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let run = kernel::must_run(Kind::Scope);
        let packet: Packet<T> = Arc::default();
        let theirs = Arc::clone(&packet);
        let body: Box<dyn FnOnce() + 'scope> = Box::new(move || {
            finish(&theirs, f, at);
        });
        // SAFETY: what the closure borrows outlives 'scope, and `scope` returns only when the closure is
        // used up: `finish` says so after that. If the execution is given up before that, the frames of
        // `scope` and of what it borrows are never unwound or reused while the closure's thread could
        // run: neither ever runs again.
        let body: Box<dyn FnOnce() + 'static> = unsafe { std::mem::transmute(body) };
        let number = start_erased(body, name, at);
        let result = Arc::clone(&packet);
        let has_unseen_panic: Box<dyn Fn() -> bool + 'scope> =
            Box::new(move || matches!(&*locked(&result), Some(Err(_))));
        // SAFETY: `scope` calls it before it returns, and never again.
        let has_unseen_panic: Box<dyn Fn() -> bool + 'static> =
            unsafe { std::mem::transmute(has_unseen_panic) };
        self.data.threads.borrow_mut().push(Child {
            number,
            has_unseen_panic,
        });
        ScopedJoinHandle {
            thread: Thread::new(&run, number),
            number,
            packet,
            _scope: PhantomData,
        }
    }
}

fn locked<T>(packet: &Packet<T>) -> MutexGuard<'_, Option<std::thread::Result<T>>> {
    packet.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to wait for a thread of a scope, as [`std::thread::ScopedJoinHandle`].
pub struct ScopedJoinHandle<'scope, T> {
    thread: Thread,
    number: usize,
    packet: Packet<T>,
    _scope: PhantomData<&'scope ()>,
}

impl<T> ScopedJoinHandle<'_, T> {
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

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").finish_non_exhaustive()
    }
}
