//! A broken spin lock, to play with. `lock` looks whether the lock is free, and takes it in a
//! second step. Chapter 4 has it as its first lock. It fits the exercise `spin-lock`:
//!
//! ```text
//! cargo course schedule spin-lock both_lock --source book/play/lock-in-two-steps.rs
//! ```

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering::*};

/// A value, and a flag that says whether some thread uses it.
pub struct SpinLock<T> {
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: none. Two threads can hold this lock at once: that is what you look for in the game.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        SpinLock {
            locked: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits until the flag is false, and then sets it. Wrong: these are two steps.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        while self.locked.load(Acquire) {
            std::hint::spin_loop();
        }
        self.locked.store(true, Relaxed);
        SpinGuard { lock: self }
    }

    /// Sets the flag if it is false. Wrong for the same reason.
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        let is_free = !self.locked.load(Acquire);
        is_free.then(|| {
            self.locked.store(true, Relaxed);
            SpinGuard { lock: self }
        })
    }

    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

/// A guard: the way to the value. Dropping it sets the flag back.
pub struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let value = self.lock.value.get();
        // SAFETY: none, as above.
        unsafe { &*value }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        let value = self.lock.value.get();
        // SAFETY: none, as above.
        unsafe { &mut *value }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        let SpinLock { locked, .. } = self.lock;
        locked.store(false, Release);
    }
}
