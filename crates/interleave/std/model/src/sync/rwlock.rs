//! `RwLock`: many readers or one writer. While a writer waits, no new reader gets in.
//!
//! Its word counts the readers and the writers that wait. So a thread that reads and wants to read
//! again waits for ever if a writer has come in between: std says that this may happen, and with its
//! futex-based lock it does. To lock acquires, to unlock releases.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{LockResult, TryLockError, TryLockResult};

use interleave_search::{Change, Guard, Op};

use super::mutex::poison_or;
use crate::kernel::{
    self, Place, Run,
    object::{Header, Kind, ObjectId, Word},
    performing::Waiting,
    thread::Wait,
};

/// Set while a thread writes.
const WRITES: u64 = 1;
/// Set while it is poisoned.
const POISONED: u64 = 2;
/// One reader, and all bits that count readers.
const READER: u64 = 1 << 8;
const READERS: u64 = 0xFF_FF00;
/// One writer that waits, and all bits that count such writers.
const WAITS: u64 = 1 << 32;
const WAITING: u64 = 0xFFFF << 32;

/// A reader-writer lock, as [`std::sync::RwLock`].
pub struct RwLock<T: ?Sized> {
    header: Header,
    /// Whether it was poisoned when it was last outside of an exploration.
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
        let poisoned = self.settled_poison();
        poison_or(self.data.into_inner(), poisoned)
    }
}

impl<T: ?Sized> RwLock<T> {
    fn enter(&self) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(Kind::RwLock);
        let id = self.header.id_reset(&run, Kind::RwLock, self, || {
            let initial = if self.poisoned.get() { POISONED } else { 0 };
            [Word::new(initial)]
        });
        (run, id)
    }

    /// The guard's lock, and what its word was.
    fn acquire(&self, mode: Mode, verb: &'static str, at: Place) -> (Rc<Run>, u64) {
        let (run, id) = self.enter();
        let word = run.word(id);
        let waiting = Waiting {
            wait: Wait::Lock(id),
            is_timed: false,
            event: Some(run.event(id, verb, "waits", at)),
        };
        let found = match mode {
            Mode::Read => {
                let op = Op::update(word, Change::Add(READER), Ordering::Acquire)
                    .when(Guard::Without(WRITES | WAITING));
                run.take(id, op, Some(waiting), at).read
            }
            Mode::Write => match self.attempt(&run, id, mode, at) {
                Some(found) => found,
                None => {
                    let arrive = Op::update(word, Change::Add(WAITS), Ordering::Relaxed);
                    run.perform(arrive, at);
                    let change = Change::Add(WRITES.wrapping_sub(WAITS));
                    let op = Op::update(word, change, Ordering::Acquire)
                        .when(Guard::Without(WRITES | READERS));
                    run.announce(op, Some(waiting), at).read
                }
            },
        };
        hold(&run, id, mode);
        run.tell(id, verb, "locked", at);
        (run, found)
    }

    /// Takes the lock if it is free. Returns what its word was.
    fn attempt(&self, run: &Run, id: ObjectId, mode: Mode, at: Place) -> Option<u64> {
        let (stops, adds) = match mode {
            Mode::Read => (WRITES | WAITING, READER),
            Mode::Write => (WRITES | READERS, WRITES),
        };
        let mut guess = 0;
        loop {
            let change = Change::CompareExchange(guess, guess + adds);
            let op = Op::update(run.word(id), change, Ordering::Acquire);
            let outcome = match guess {
                0 => run.access(id, op, at),
                // The second attempt of one call is no loop that waits.
                _ => run.perform(op, at),
            };
            match outcome.written {
                Some(_) => return Some(outcome.read),
                None if outcome.read & stops != 0 => return None,
                None => guess = outcome.read,
            }
        }
    }

    fn try_acquire(&self, mode: Mode, verb: &'static str, at: Place) -> Option<(Rc<Run>, u64)> {
        let (run, id) = self.enter();
        let found = self.attempt(&run, id, mode, at);
        let word = if found.is_some() {
            "locked"
        } else {
            "would block"
        };
        run.tell(id, verb, word, at);
        let found = found?;
        run.acted();
        hold(&run, id, mode);
        Some((run, found))
    }

    fn reading(&self, found: u64, at: Place) -> LockResult<RwLockReadGuard<'_, T>> {
        let guard = RwLockReadGuard {
            lock: self,
            at,
            _not_send: PhantomData,
        };
        poison_or(guard, found & POISONED != 0)
    }

    fn writing(&self, run: &Run, found: u64, at: Place) -> LockResult<RwLockWriteGuard<'_, T>> {
        let guard = RwLockWriteGuard {
            lock: self,
            was_panicking: run.panicking(),
            at,
            _not_send: PhantomData,
        };
        poison_or(guard, found & POISONED != 0)
    }

    /// Whether it is poisoned, for an owner.
    fn settled_poison(&self) -> bool {
        let known = kernel::running().and_then(|run| {
            let id = self.header.known(&run)?;
            Some(run.settled(id) & POISONED != 0)
        });
        known.unwrap_or(self.poisoned.get())
    }

    /// Waits until no thread writes, and shares the lock.
    ///
    /// # Errors
    /// If a thread panicked while it wrote; the error holds the guard.
    #[track_caller]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        let at = Location::caller();
        let (_, found) = self.acquire(Mode::Read, "read", at);
        self.reading(found, at)
    }

    /// Shares the lock if no thread writes.
    ///
    /// # Errors
    /// `WouldBlock` if a thread does, `Poisoned` if a thread panicked while it wrote.
    #[track_caller]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let at = Location::caller();
        match self.try_acquire(Mode::Read, "try_read", at) {
            Some((_, found)) => Ok(self.reading(found, at)?),
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
        let (run, found) = self.acquire(Mode::Write, "write", at);
        self.writing(&run, found, at)
    }

    /// Takes the lock if no thread reads or writes.
    ///
    /// # Errors
    /// `WouldBlock` if a thread does, `Poisoned` if a thread panicked while it wrote.
    #[track_caller]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let at = Location::caller();
        match self.try_acquire(Mode::Write, "try_write", at) {
            Some((run, found)) => Ok(self.writing(&run, found, at)?),
            None => Err(TryLockError::WouldBlock),
        }
    }

    /// Whether a thread panicked while it wrote.
    #[track_caller]
    pub fn is_poisoned(&self) -> bool {
        if kernel::running().is_none() {
            return self.poisoned.get();
        }
        let (run, id) = self.enter();
        let op = Op::load(run.word(id), Ordering::Relaxed);
        run.access(id, op, Location::caller()).read & POISONED != 0
    }

    /// Says that the data is in order again.
    #[track_caller]
    pub fn clear_poison(&self) {
        if kernel::running().is_none() {
            return self.poisoned.set(false);
        }
        let (run, id) = self.enter();
        let op = Op::update(run.word(id), Change::And(!POISONED), Ordering::Relaxed);
        run.perform(op, Location::caller());
    }

    /// The data; no lock is needed, since nobody else can have a reference.
    ///
    /// # Errors
    /// If a thread panicked while it wrote.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        let poisoned = self.settled_poison();
        poison_or(self.data.get_mut(), poisoned)
    }

    fn release(&self, mode: Mode, poisons: bool, at: Place) {
        let Some(run) = kernel::running() else { return };
        let Some(id) = self.header.known(&run) else {
            return;
        };
        let word = run.word(id);
        if poisons {
            let op = Op::update(word, Change::Or(POISONED), Ordering::Relaxed);
            run.perform(op, at);
        }
        if !run.was_dreamt(id) {
            let gone = match mode {
                Mode::Read => READER,
                Mode::Write => WRITES,
            };
            let change = Change::Add(gone.wrapping_neg());
            run.perform(Op::update(word, change, Ordering::Release), at);
        }
        if let Mode::Write = mode {
            run.acted();
        }
        let_go(&run, id, mode);
        run.tell(id, "unlock", "", at);
    }
}

/// Notes that the current thread holds the lock.
fn hold(run: &Run, id: ObjectId, mode: Mode) {
    let me = run.me();
    let mut state = run.state.borrow_mut();
    let object = &mut state.objects[id as usize];
    match mode {
        Mode::Read => object.readers.push(me),
        Mode::Write => object.owner = Some(me),
    }
}

/// Notes that it does no more.
fn let_go(run: &Run, id: ObjectId, mode: Mode) {
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

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Turns the write lock into a read lock. No writer gets the lock in between.
    #[track_caller]
    pub fn downgrade(guard: Self) -> RwLockReadGuard<'a, T> {
        let guard = ManuallyDrop::new(guard);
        let (lock, at) = (guard.lock, guard.at);
        if let Some(run) = kernel::running()
            && let Some(id) = lock.header.known(&run)
        {
            let change = Change::Add(READER - WRITES);
            let op = Op::update(run.word(id), change, Ordering::Release);
            run.perform(op, Location::caller());
            run.acted();
            let_go(&run, id, Mode::Write);
            hold(&run, id, Mode::Read);
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
        self.lock.release(Mode::Read, false, self.at);
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        let panicking = kernel::running().is_some_and(|run| run.panicking());
        let poisons = panicking && !self.was_panicking;
        self.lock.release(Mode::Write, poisons, self.at);
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
        text.field("poisoned", &self.settled_poison());
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
