//! Differs in the algorithm: a ticket lock, with two counters instead of one flag.
//! A thread that calls `lock` draws the next number and waits until this number
//! is served, so the waiters get the lock in the order in which they came.

use std::cell::UnsafeCell;
use std::hint;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// A value that one thread at a time may touch.
///
/// A waiter burns its CPU, so hold the lock for a few instructions only. It is
/// not reentrant (locking twice on one thread spins for ever),
/// and it is not poisoned by a panic.
pub struct SpinLock<T> {
    /// The number that the next to come draws.
    drawn: AtomicU32,
    /// The number that holds the lock, or will be next to hold it.
    served: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: sharing the lock hands the value from thread to thread (`Send`) and
// never lets two look at it at a time, so `T: Sync` is not needed: the guard is
// exclusive, because each number is drawn once and only the guard calls the next.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// An unlocked lock around `value`; `const`, so that it can be a static.
    pub const fn new(value: T) -> Self {
        SpinLock {
            drawn: AtomicU32::new(0),
            served: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits until the lock is free and takes it.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        let ticket = self.drawn.fetch_add(1, Relaxed);
        while self.served.load(Acquire) != ticket {
            hint::spin_loop();
        }
        SpinGuard {
            lock: self,
            value: PhantomData,
        }
    }

    /// Takes the lock if it is free; never waits.
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        // Draw a ticket only if it is served at once.
        let served = self.served.load(Acquire);
        self.drawn
            .compare_exchange(served, served.wrapping_add(1), Relaxed, Relaxed)
            .ok()
            .map(|_| SpinGuard {
                lock: self,
                value: PhantomData,
            })
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
        // Only the holder writes this counter.
        let served = self.lock.served.load(Relaxed);
        self.lock.served.store(served.wrapping_add(1), Release);
    }
}
