//! `thread::scope`: threads that may borrow.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::spawn::{Packet, finish, is_finished, join, start_erased, take};
use super::{Builder, Thread};
use crate::kernel::{
    self, Place,
    engine::Seed,
    event::{Event, Returned, Step},
    object::{Header, Kind},
    thread::Wait,
};

/// A scope for threads, as [`std::thread::Scope`].
pub struct Scope<'scope, 'env: 'scope> {
    data: Arc<Data>,
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

struct Data {
    header: Header,
    owner: usize,
    running: Cell<usize>,
    a_thread_panicked: Cell<bool>,
    /// The threads that panicked: the scope sees their panics, even if no other thread does.
    panicked: RefCell<Vec<usize>>,
}

// SAFETY: the cells are only touched by the one modelled thread that runs (see `kernel`).
unsafe impl Send for Data {}
// SAFETY: as above.
unsafe impl Sync for Data {}
// The cells are counters, and no panic comes between two of their changes.
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
        data: Arc::new(Data {
            header: Header::new(),
            owner: run.me(),
            running: Cell::new(0),
            a_thread_panicked: Cell::new(false),
            panicked: RefCell::default(),
        }),
        _scope: PhantomData,
        _env: PhantomData,
    };
    let result = panic::catch_unwind(AssertUnwindSafe(|| f(&scope)));
    let data = &scope.data;
    let id = data.header.id(&run, Kind::Scope, || Seed::Plain);
    while data.running.get() > 0 {
        let mut event = Event::new(run.me(), "scope", at);
        event.returned = Returned::Word("waits for its threads");
        run.log(event);
        run.block(Wait::Scope, Step::read(id), at);
    }
    run.resync(id, Ordering::Acquire);
    for thread in data.panicked.borrow().iter() {
        run.state.borrow_mut().threads[*thread].unobserved_panic = false;
    }
    match result {
        Err(payload) => panic::resume_unwind(payload),
        Ok(_) if data.a_thread_panicked.get() => panic!("a scoped thread panicked"),
        Ok(value) => value,
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
        let data = Arc::clone(&self.data);
        let id = data.header.id(&run, Kind::Scope, || Seed::Plain);
        data.running.set(data.running.get() + 1);
        let packet: Packet<T> = Arc::default();
        let theirs = Arc::clone(&packet);
        let body = move || {
            let panicked = finish(&theirs, f);
            // As in std, it is known here whether another thread may see the panic: a handle that
            // still exists may join.
            if panicked && Arc::strong_count(&theirs) == 1 {
                data.a_thread_panicked.set(true);
            }
            drop(theirs);
            let run = kernel::must_run(Kind::Scope);
            if panicked {
                run.ended_by_panic();
                data.panicked.borrow_mut().push(run.me());
            }
            run.resync(id, Ordering::Release);
            data.running.set(data.running.get() - 1);
            if data.running.get() == 0 {
                let owner_waits =
                    run.state.borrow().threads[data.owner].wait() == Some(Wait::Scope);
                if owner_waits {
                    run.wake(data.owner);
                }
                run.changed(id);
            }
            false
        };
        let body: Box<dyn FnOnce() -> bool + 'scope> = Box::new(body);
        // SAFETY: what the closure borrows outlives 'scope, and `scope` returns only when `running`
        // is 0, that is after the closure is used up. If the execution is given up before that, the
        // frames of `scope` and of what it borrows are never unwound or reused while the closure's
        // thread could run: neither ever runs again.
        let body: Box<dyn FnOnce() -> bool + 'static> = unsafe { std::mem::transmute(body) };
        let number = start_erased(body, name, at);
        ScopedJoinHandle {
            thread: Thread::new(&run, number),
            number,
            packet,
            _scope: PhantomData,
        }
    }
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
