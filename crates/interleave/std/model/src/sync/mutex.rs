//! `Mutex`: a word that says whether it is held and whether it is poisoned, and the data in place.
//!
//! To lock acquires, to unlock releases. `try_lock` on a mutex that is held orders nothing.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

use interleave_search::{Change, Guard, Op, Outcome};

use crate::kernel::{
    self, Place, Run,
    object::{self, Header, Kind, ObjectId, Word},
    performing::Waiting,
    thread::Wait,
};

/// The bit of a mutex that is held.
const HELD: u64 = 1;
/// The bit of a mutex that is poisoned.
const POISONED: u64 = 2;

/// A mutual exclusion lock, as [`std::sync::Mutex`].
pub struct Mutex<T: ?Sized> {
    header: Header,
    /// Whether it was poisoned when it was last outside of an exploration.
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
    /// What the data looked like when it was first borrowed to be changed.
    before: Option<Box<[u8]>>,
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
        let poisoned = self.settled_poison();
        poison_or(self.data.into_inner(), poisoned)
    }
}

impl<T: ?Sized> Mutex<T> {
    fn enter(&self) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(Kind::Mutex);
        let id = self.lock_id(&run);
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
        let outcome = acquire(&run, id, at, "locked");
        self.guard(&run, outcome, at)
    }

    /// Takes the mutex if it is free.
    ///
    /// # Errors
    /// `WouldBlock` if it is not, `Poisoned` if a thread panicked while it held the mutex.
    #[track_caller]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let at = Location::caller();
        let (run, id) = self.enter();
        let word = run.word(id);
        let attempt = |old| {
            let change = Change::CompareExchange(old, old | HELD);
            Op::update(word, change, Ordering::Acquire)
        };
        let mut outcome = run.access(id, attempt(0), at);
        if outcome.read == POISONED {
            outcome = run.access(id, attempt(POISONED), at);
        }
        if outcome.written.is_none() {
            run.tell(id, "try_lock", "would block", at);
            return Err(TryLockError::WouldBlock);
        }
        run.tell(id, "try_lock", "locked", at);
        run.state.borrow_mut().objects[id as usize].owner = Some(run.me());
        Ok(self.guard(&run, outcome, at)?)
    }

    fn guard(&self, run: &Run, outcome: Outcome, at: Place) -> LockResult<MutexGuard<'_, T>> {
        let guard = MutexGuard {
            lock: self,
            was_panicking: run.panicking(),
            at,
            before: None,
            _not_send: PhantomData,
        };
        poison_or(guard, outcome.read & POISONED != 0)
    }

    /// Whether a thread panicked while it held the mutex.
    #[track_caller]
    pub fn is_poisoned(&self) -> bool {
        let Some(run) = kernel::running() else {
            return self.poisoned.get();
        };
        let id = self.lock_id(&run);
        let op = Op::load(run.word(id), Ordering::Relaxed);
        run.access(id, op, Location::caller()).read & POISONED != 0
    }

    /// Says that the data is in order again.
    #[track_caller]
    pub fn clear_poison(&self) {
        let Some(run) = kernel::running() else {
            return self.poisoned.set(false);
        };
        let id = self.lock_id(&run);
        let op = Op::update(run.word(id), Change::And(!POISONED), Ordering::Relaxed);
        run.perform(op, Location::caller());
    }

    /// Whether it is poisoned, for an owner.
    fn settled_poison(&self) -> bool {
        let known = kernel::running().and_then(|run| {
            let id = self.header.known(&run)?;
            Some(run.settled(id) & POISONED != 0)
        });
        known.unwrap_or(self.poisoned.get())
    }

    /// The data; no lock is needed, since nobody else can have a reference.
    ///
    /// # Errors
    /// If a thread panicked while it held the mutex.
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        let poisoned = self.settled_poison();
        poison_or(self.data.get_mut(), poisoned)
    }
}

/// Takes the lock `id` for the current thread, waiting if need be.
pub(super) fn acquire(run: &Run, id: ObjectId, at: Place, done: &'static str) -> Outcome {
    let op = Op::update(run.word(id), Change::Or(HELD), Ordering::Acquire);
    let waiting = Waiting {
        wait: Wait::Lock(id),
        is_timed: false,
        event: Some(run.event(id, "lock", "waits", at)),
    };
    let outcome = run.take(id, op.when(Guard::Without(HELD)), Some(waiting), at);
    run.state.borrow_mut().objects[id as usize].owner = Some(run.me());
    run.tell(id, "lock", done, at);
    outcome
}

/// Releases the lock `id`.
pub(super) fn release(run: &Run, id: ObjectId, poisons: bool, at: Place) {
    if !run.was_dreamt(id) {
        let change = match poisons {
            true => Change::Swap(POISONED),
            false => Change::And(!HELD),
        };
        run.perform(Op::update(run.word(id), change, Ordering::Release), at);
    }
    run.state.borrow_mut().objects[id as usize].owner = None;
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
        self.header.id_reset(run, Kind::Mutex, self, || {
            let initial = if self.poisoned.get() { POISONED } else { 0 };
            [Word::new(initial)]
        })
    }

    /// A guard for a lock that the current thread has just taken again.
    pub(super) fn guard_again(
        &self,
        run: &Run,
        outcome: Outcome,
        at: Place,
    ) -> LockResult<MutexGuard<'_, T>> {
        self.guard(run, outcome, at)
    }

    /// The bytes of the data, without what they point to.
    fn bytes(&self) -> Box<[u8]> {
        // SAFETY: the current thread holds the lock, so nobody writes.
        object::bytes_of(unsafe { &*self.data.get() })
    }
}

impl<T: ?Sized> MutexGuard<'_, T> {
    /// Whether the data may have changed under this guard, as far as its own bytes show.
    pub(super) fn has_changed(&self) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|before| *before != self.lock.bytes())
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
        self.before.get_or_insert_with(|| self.lock.bytes());
        // SAFETY: as in `deref`, and `&mut self` excludes other references through this guard.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        let Some(run) = kernel::running() else { return };
        let Some(id) = self.lock.header.known(&run) else {
            return;
        };
        if self.has_changed() {
            run.acted();
        }
        let poisons = !self.was_panicking && run.panicking();
        release(&run, id, poisons, self.at);
        run.tell(id, "unlock", "", self.at);
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
        text.field("poisoned", &self.settled_poison());
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
