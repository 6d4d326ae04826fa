//! `Mutex`: an owner in the kernel's table, a poison flag and the data in place.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

use crate::kernel::{
    self, Place, Run,
    engine::ObjectId,
    event::{Event, Returned, Step},
    object::{Header, Kind},
    thread::Wait,
};

/// A mutual exclusion lock, as [`std::sync::Mutex`].
pub struct Mutex<T: ?Sized> {
    header: Header,
    poisoned: Cell<bool>,
    data: UnsafeCell<T>,
}

// SAFETY: as for std's Mutex, the data moves between threads; the cells are only touched by the one
// modelled thread that runs (see `kernel`).
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}
// SAFETY: the data is reached through a guard only, and the kernel grants one at a time.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

/// Proof that this thread holds a [`Mutex`], as [`std::sync::MutexGuard`].
#[must_use = "if unused the Mutex will immediately unlock"]
pub struct MutexGuard<'a, T: ?Sized + 'a> {
    lock: &'a Mutex<T>,
    was_panicking: bool,
    at: Place,
    _not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self {
            header: Header::new(),
            poisoned: Cell::new(false),
            data: UnsafeCell::new(value),
        }
    }

    /// The data. If the mutex is poisoned, an error that still holds the data.
    ///
    /// # Errors
    /// If a thread panicked while it held the mutex.
    pub fn into_inner(self) -> LockResult<T> {
        let poisoned = self.poisoned.get();
        poison_or(self.data.into_inner(), poisoned)
    }
}

impl<T: ?Sized> Mutex<T> {
    fn enter(&self) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(Kind::Mutex);
        let id = self.header.id_reset(&run, Kind::Mutex, self);
        (run, id)
    }

    /// Waits until the mutex is free and takes it.
    ///
    /// # Errors
    /// If a thread panicked while it held the mutex; the error holds the guard.
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let at = Location::caller();
        let (run, id) = self.enter();
        acquire(&run, id, at, "lock");
        self.guard(&run, at)
    }

    /// Takes the mutex if it is free.
    ///
    /// # Errors
    /// `WouldBlock` if it is not, `Poisoned` if a thread panicked while it held the mutex.
    #[track_caller]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let at = Location::caller();
        let (run, id) = self.enter();
        run.point(Step::write(id), id, Ordering::Acquire, at);
        let held = run.state.borrow().objects[id as usize].owner.is_some();
        let mut event = Event::new(run.me(), "try_lock", at);
        event.object = Some(id);
        event.returned = Returned::Word(if held { "would block" } else { "locked" });
        run.log(event);
        if held {
            run.saw(id, 1);
            return Err(TryLockError::WouldBlock);
        }
        run.state.borrow_mut().objects[id as usize].owner = Some(run.me());
        run.changed(id);
        Ok(self.guard(&run, at)?)
    }

    fn guard(&self, run: &Run, at: Place) -> LockResult<MutexGuard<'_, T>> {
        let guard = MutexGuard {
            lock: self,
            was_panicking: run.panicking(),
            at,
            _not_send: PhantomData,
        };
        poison_or(guard, self.poisoned.get())
    }

    /// Whether a thread panicked while it held the mutex.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.get()
    }

    /// Says that the data is in order again.
    pub fn clear_poison(&self) {
        self.poisoned.set(false);
    }

    /// The data; no lock is needed, since nobody else can have a reference.
    ///
    /// # Errors
    /// If a thread panicked while it held the mutex.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        let poisoned = self.poisoned.get();
        poison_or(self.data.get_mut(), poisoned)
    }
}

/// Takes the lock `id` for the current thread, waiting if need be.
pub(super) fn acquire(run: &Run, id: ObjectId, at: Place, verb: &'static str) {
    let owner = || run.state.borrow().objects[id as usize].owner;
    if owner().is_none() || !run.engine.may_wait_unseen() {
        run.point(Step::write(id), id, Ordering::Acquire, at);
    }
    let mut event = Event::new(run.me(), verb, at);
    event.object = Some(id);
    if owner().is_some() {
        event.returned = Returned::Word("waits");
        run.log(event);
    }
    while owner().is_some() {
        run.block(Wait::Lock(id), Step::write(id), at);
        run.resync(id, Ordering::Acquire);
    }
    run.state.borrow_mut().objects[id as usize].owner = Some(run.me());
    event.returned = Returned::Word("locked");
    run.log(event);
    run.changed(id);
}

/// Releases the lock `id`. The caller has passed the scheduling point.
pub(super) fn release(run: &Run, id: ObjectId) {
    run.state.borrow_mut().objects[id as usize].owner = None;
    run.wake_all(Wait::Lock(id));
    run.changed(id);
}

pub(super) fn poison_or<G>(guard: G, poisoned: bool) -> LockResult<G> {
    if poisoned {
        Err(PoisonError::new(guard))
    } else {
        Ok(guard)
    }
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// What a condition variable needs to release the mutex and to take it again.
    pub(super) fn parts(&self) -> (&'a Mutex<T>, Place) {
        (self.lock, self.at)
    }
}

impl<T: ?Sized> Mutex<T> {
    /// The number of the lock, for a condition variable.
    pub(super) fn lock_id(&self, run: &Run) -> ObjectId {
        self.header.id_reset(run, Kind::Mutex, self)
    }

    /// A guard for a lock that the current thread has just taken again.
    pub(super) fn guard_again(&self, run: &Run, at: Place) -> LockResult<MutexGuard<'_, T>> {
        self.guard(run, at)
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the kernel made this thread the owner, and nobody else has a guard.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`, and `&mut self` excludes other references through this guard.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        let Some(run) = kernel::run() else { return };
        let Some(id) = self.lock.header.known(&run) else {
            return;
        };
        if !self.was_panicking && run.panicking() {
            self.lock.poisoned.set(true);
        }
        run.point(Step::write(id), id, Ordering::Release, self.at);
        let mut event = Event::new(run.me(), "unlock", self.at);
        event.object = Some(id);
        run.log(event);
        release(&run, id);
    }
}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = kernel::run().is_some_and(|run| {
            self.header
                .known(&run)
                .is_some_and(|id| run.state.borrow().objects[id as usize].owner.is_some())
        });
        let mut text = f.debug_struct("Mutex");
        if held {
            text.field("data", &format_args!("<locked>"));
        } else {
            // SAFETY: nobody owns the lock, and nobody else runs until we return.
            let data = unsafe { &*self.data.get() };
            text.field("data", &data);
        }
        text.field("poisoned", &self.poisoned.get());
        text.finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
