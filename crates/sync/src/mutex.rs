//! A mutex whose waiters sleep in the kernel. Without contention, no thread enters the kernel.
//!
//! ```text
//!              lock()                another lock()
//!   UNLOCKED ──────────▶ LOCKED ─────────────────────▶ CONTENDED
//!      ▲                   │                               │
//!      └───── unlock() ────┘                               │
//!      └───── unlock(), and a wake-up ─────────────────────┘
//! ```

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::spin::Spin;

/// No thread holds the mutex.
const UNLOCKED: u32 = 0;
/// A thread holds the mutex, and no thread sleeps.
const LOCKED: u32 = 1;
/// A thread holds the mutex, and others may sleep: the thread that unlocks must wake one.
const CONTENDED: u32 = 2;

/// A value that one thread at a time may use; the other threads sleep until it is their turn.
///
/// Without contention, locking is one atomic operation, and so is unlocking. Neither makes a system
/// call.
///
/// ```
/// use sync::Mutex;
/// static LOG: Mutex<Vec<&str>> = Mutex::new(Vec::new());
///
/// LOG.lock().push("first");
/// std::thread::spawn(|| LOG.lock().push("second")).join().unwrap();
/// assert_eq!(*LOG.lock(), ["first", "second"]);
/// ```
///
/// Not fair, not reentrant (a thread that locks twice waits for itself), and not poisoned by a
/// panic. The three states are those of Ulrich Drepper, "Futexes Are Tricky", 2011.
#[derive(Default)]
pub struct Mutex<T: ?Sized> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the mutex hands the value from thread to thread (`T: Send`) and never lets two threads
// use it at the same time, so `T: Sync` is not needed. `state` leaves `UNLOCKED` in one step, for
// only one of the threads that try, and only that thread's guard sets it back.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// Makes an unlocked mutex around `value`. This is a `const fn`, so the mutex can be a static.
    pub const fn new(value: T) -> Self {
        Self {
            state: AtomicU32::new(UNLOCKED),
            value: UnsafeCell::new(value),
        }
    }

    /// Consumes the mutex and returns its value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Waits until no thread holds the mutex, and takes it.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if !self.take(LOCKED) {
            self.lock_contended();
        }
        MutexGuard::new(self)
    }

    /// Takes the mutex if no thread holds it; never waits.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.take(LOCKED).then(|| MutexGuard::new(self))
    }

    /// Returns the value without locking: `&mut self` proves that no thread holds the mutex.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    #[inline]
    fn take(&self, taken: u32) -> bool {
        // Acquire: what the last holder wrote before its Release is visible from here on.
        self.state
            .compare_exchange(UNLOCKED, taken, Acquire, Relaxed)
            .is_ok()
    }

    #[cold]
    fn lock_contended(&self) {
        let mut spin = Spin::new();
        // While another thread sleeps already, spinning would only overtake it.
        while self.state.load(Relaxed) != CONTENDED && spin.again() {
            if self.take(LOCKED) {
                return;
            }
        }
        // A thread that has slept cannot know whether other threads sleep too. It therefore takes
        // the mutex as CONTENDED, and its unlock wakes the next thread. At worst that is one
        // wake-up too many.
        while self.state.swap(CONTENDED, Acquire) != UNLOCKED {
            futex::wait(&self.state, CONTENDED);
        }
    }

    #[inline]
    fn unlock(&self) {
        // Release: all that was written until here is visible to the next holder.
        if self.state.swap(UNLOCKED, Release) == CONTENDED {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        // Another thread may have taken, released and even freed the mutex by now. A wake-up on a
        // word that is gone is harmless: the kernel uses only the address, and a thread that sleeps
        // on another word at that address checks its word again.
        futex::wake_one(&self.state);
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Mutex");
        match self.try_lock() {
            Some(guard) => shown.field("value", &&*guard),
            None => shown.field("value", &format_args!("<locked>")),
        };
        shown.finish()
    }
}

/// Proof that its owner holds a [`Mutex`], with access to the value. Dropping it unlocks the mutex,
/// also when a panic unwinds.
#[must_use = "the mutex is unlocked at once if the guard is not kept"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// Makes the guard count as the `&mut T` that it gives out. Without this, a
    /// `MutexGuard<Cell<_>>` would be `Sync`, because a `Mutex<Cell<_>>` is.
    exclusive: PhantomData<&'a mut T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Makes the guard of a mutex that the caller has just taken.
    #[inline]
    fn new(mutex: &'a Mutex<T>) -> Self {
        Self {
            mutex,
            exclusive: PhantomData,
        }
    }

    /// Returns the mutex of this guard.
    pub(crate) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one of its mutex, and it is borrowed.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one of its mutex, and it is borrowed exclusively.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
