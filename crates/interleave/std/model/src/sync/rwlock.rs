//! `RwLock`: many readers or one writer. A thread that arrives when the lock is free gets it.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{LockResult, TryLockError, TryLockResult};

use super::mutex::poison_or;
use crate::kernel::{
    self, Place, Run,
    engine::ObjectId,
    event::{Event, Returned, Step},
    object::{Header, Kind},
    thread::Wait,
};

/// A reader-writer lock, as [`std::sync::RwLock`].
pub struct RwLock<T: ?Sized> {
    header: Header,
    poisoned: Cell<bool>,
    data: UnsafeCell<T>,
}

// SAFETY: as for std's RwLock; the cells are only touched by the one modelled thread that runs.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}
// SAFETY: guards give `&T` to many (hence `Sync`) or `&mut T` to one (hence `Send`).
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}
impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

/// Shared access, as [`std::sync::RwLockReadGuard`].
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockReadGuard<'a, T: ?Sized + 'a> {
    lock: &'a RwLock<T>,
    at: Place,
    _not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}

/// Exclusive access, as [`std::sync::RwLockWriteGuard`].
#[must_use = "if unused the RwLock will immediately unlock"]
pub struct RwLockWriteGuard<'a, T: ?Sized + 'a> {
    lock: &'a RwLock<T>,
    was_panicking: bool,
    at: Place,
    _not_send: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives `&T` only.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

#[derive(Clone, Copy)]
enum Mode {
    Read,
    Write,
}

impl<T> RwLock<T> {
    /// An unlocked lock.
    #[track_caller]
    pub const fn new(value: T) -> Self {
        Self {
            header: Header::new(),
            poisoned: Cell::new(false),
            data: UnsafeCell::new(value),
        }
    }

    /// The data.
    ///
    /// # Errors
    /// If a thread panicked while it wrote; the error holds the data.
    pub fn into_inner(self) -> LockResult<T> {
        let poisoned = self.poisoned.get();
        poison_or(self.data.into_inner(), poisoned)
    }
}

impl<T: ?Sized> RwLock<T> {
    fn enter(&self) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(Kind::RwLock);
        let id = self.header.id_reset(&run, Kind::RwLock, self);
        (run, id)
    }

    fn acquire(&self, mode: Mode, verb: &'static str, at: Place) -> Rc<Run> {
        let (run, id) = self.enter();
        if free(&run, id, mode) || !run.engine.may_wait_unseen() {
            run.point(Step::write(id), id, Ordering::Acquire, at);
        }
        let mut event = Event::new(run.me(), verb, at);
        event.object = Some(id);
        if !free(&run, id, mode) {
            event.returned = Returned::Word("waits");
            run.log(event);
        }
        while !free(&run, id, mode) {
            run.block(Wait::Lock(id), Step::write(id), at);
            run.resync(id, Ordering::Acquire);
        }
        take(&run, id, mode);
        event.returned = Returned::Word("locked");
        run.log(event);
        run
    }

    fn try_acquire(&self, mode: Mode, verb: &'static str, at: Place) -> Option<Rc<Run>> {
        let (run, id) = self.enter();
        run.point(Step::write(id), id, Ordering::Acquire, at);
        let free = free(&run, id, mode);
        let mut event = Event::new(run.me(), verb, at);
        event.object = Some(id);
        event.returned = Returned::Word(if free { "locked" } else { "would block" });
        run.log(event);
        if free {
            take(&run, id, mode);
            Some(run)
        } else {
            run.saw(id, 1);
            None
        }
    }

    fn reading(&self, at: Place) -> LockResult<RwLockReadGuard<'_, T>> {
        let guard = RwLockReadGuard {
            lock: self,
            at,
            _not_send: PhantomData,
        };
        poison_or(guard, self.poisoned.get())
    }

    fn writing(&self, run: &Run, at: Place) -> LockResult<RwLockWriteGuard<'_, T>> {
        let guard = RwLockWriteGuard {
            lock: self,
            was_panicking: run.panicking(),
            at,
            _not_send: PhantomData,
        };
        poison_or(guard, self.poisoned.get())
    }

    /// Waits until no thread writes, and shares the lock.
    ///
    /// # Errors
    /// If a thread panicked while it wrote; the error holds the guard.
    #[track_caller]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        let at = Location::caller();
        self.acquire(Mode::Read, "read", at);
        self.reading(at)
    }

    /// Shares the lock if no thread writes.
    ///
    /// # Errors
    /// `WouldBlock` if a thread does, `Poisoned` if a thread panicked while it wrote.
    #[track_caller]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let at = Location::caller();
        match self.try_acquire(Mode::Read, "try_read", at) {
            Some(_) => Ok(self.reading(at)?),
            None => Err(TryLockError::WouldBlock),
        }
    }

    /// Waits until no thread reads or writes, and takes the lock.
    ///
    /// # Errors
    /// If a thread panicked while it wrote; the error holds the guard.
    #[track_caller]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        let at = Location::caller();
        let run = self.acquire(Mode::Write, "write", at);
        self.writing(&run, at)
    }

    /// Takes the lock if no thread reads or writes.
    ///
    /// # Errors
    /// `WouldBlock` if a thread does, `Poisoned` if a thread panicked while it wrote.
    #[track_caller]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let at = Location::caller();
        match self.try_acquire(Mode::Write, "try_write", at) {
            Some(run) => Ok(self.writing(&run, at)?),
            None => Err(TryLockError::WouldBlock),
        }
    }

    /// Whether a thread panicked while it wrote.
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
    /// If a thread panicked while it wrote.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        let poisoned = self.poisoned.get();
        poison_or(self.data.get_mut(), poisoned)
    }

    fn release(&self, mode: Mode, at: Place) {
        let Some(run) = kernel::run() else { return };
        let Some(id) = self.header.known(&run) else {
            return;
        };
        run.point(Step::write(id), id, Ordering::Release, at);
        {
            let me = run.me();
            let mut state = run.state.borrow_mut();
            let object = &mut state.objects[id as usize];
            match mode {
                Mode::Write => object.owner = None,
                Mode::Read => {
                    if let Some(place) = object.readers.iter().position(|reader| *reader == me) {
                        object.readers.swap_remove(place);
                    }
                }
            }
        }
        let mut event = Event::new(run.me(), "unlock", at);
        event.object = Some(id);
        run.log(event);
        run.wake_all(Wait::Lock(id));
        run.changed(id);
    }
}

fn free(run: &Run, id: ObjectId, mode: Mode) -> bool {
    let state = run.state.borrow();
    let object = &state.objects[id as usize];
    match mode {
        Mode::Read => object.owner.is_none(),
        Mode::Write => object.owner.is_none() && object.readers.is_empty(),
    }
}

fn take(run: &Run, id: ObjectId, mode: Mode) {
    let me = run.me();
    {
        let mut state = run.state.borrow_mut();
        let object = &mut state.objects[id as usize];
        match mode {
            Mode::Read => object.readers.push(me),
            Mode::Write => object.owner = Some(me),
        }
    }
    run.changed(id);
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Turns the write lock into a read lock. No writer gets the lock in between.
    #[track_caller]
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let guard = ManuallyDrop::new(guard);
        let (lock, at) = (guard.lock, guard.at);
        if let Some(run) = kernel::run()
            && let Some(id) = lock.header.known(&run)
        {
            run.point(Step::write(id), id, Ordering::Release, Location::caller());
            run.state.borrow_mut().objects[id as usize].owner = None;
            take(&run, id, Mode::Read);
            run.wake_all(Wait::Lock(id));
        }
        RwLockReadGuard {
            lock,
            at,
            _not_send: PhantomData,
        }
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the kernel counts this thread as a reader, so nobody writes.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the kernel made this thread the only owner.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the kernel made this thread the only owner.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.release(Mode::Read, self.at);
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        if !self.was_panicking && kernel::run().is_some_and(|run| run.panicking()) {
            self.lock.poisoned.set(true);
        }
        self.lock.release(Mode::Write, self.at);
    }
}

impl<T: Default> Default for RwLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = kernel::run().is_some_and(|run| {
            self.header
                .known(&run)
                .is_some_and(|id| run.state.borrow().objects[id as usize].owner.is_some())
        });
        let mut text = f.debug_struct("RwLock");
        if written {
            text.field("data", &format_args!("<locked>"));
        } else {
            // SAFETY: nobody writes, and nobody else runs until we return.
            let data = unsafe { &*self.data.get() };
            text.field("data", &data);
        }
        text.field("poisoned", &self.poisoned.get());
        text.finish_non_exhaustive()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
