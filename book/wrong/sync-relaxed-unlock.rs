//! A spin lock: a lock out of one atomic, whose waiters try again until it is free.

use std::cell::UnsafeCell;
use std::hint;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

/// A value that one thread at a time may touch.
///
/// A waiter burns its CPU, so hold the lock for a few instructions only. It is
/// not fair, it is not reentrant (locking twice on one thread spins for ever),
/// and it is not poisoned by a panic.
pub struct SpinLock<T> {
    /// Whether a guard exists.
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: sharing the lock hands the value from thread to thread (`Send`) and
// never lets two look at it at a time, so `T: Sync` is not needed: the guard is
// exclusive, because `locked` goes from false to true in one atomic step and
// only the guard sets it back.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// An unlocked lock around `value`; `const`, so that it can be a static.
    pub const fn new(value: T) -> Self {
        SpinLock {
            locked: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits until the lock is free and takes it.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            // Only read while it is held: reading shares the cache line, while
            // a swap would take it away from the holder at each attempt.
            while self.locked.load(Relaxed) {
                hint::spin_loop();
            }
        }
    }

    /// Takes the lock if it is free; never waits.
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        // Acquire, to see all that was written before the unlock that it reads.
        if self.locked.swap(true, Acquire) {
            None
        } else {
            Some(SpinGuard {
                lock: self,
                value: PhantomData,
            })
        }
    }

    /// The value, without locking: a `&mut` proves that nobody holds the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value, out of a lock that nobody needs any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

/// The right to use the value; dropping it, by a panic too, releases the lock.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
    /// Stands in for the `&mut T` that it is: without it a `SpinGuard<Cell<_>>`
    /// would be `Sync`, because the lock is.
    value: PhantomData<&'a mut T>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one, and it is borrowed shared.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one, and it is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.locked.store(false, Relaxed);
    }
}
