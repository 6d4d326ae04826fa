//! try_lock loops as long as its compare_exchange loses to complete lock/unlock pairs and the lock looks free again: never waits for a held lock, but "does not try again"?

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};

pub struct SpinLock<T> {
    seq: AtomicU64,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value from thread to thread, one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        SpinLock { seq: AtomicU64::new(0), value: UnsafeCell::new(value) }
    }

    fn guard(&self) -> SpinGuard<'_, T> {
        SpinGuard { lock: self, _value: PhantomData }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        loop {
            if let Some(g) = self.try_lock() {
                return g;
            }
            std::hint::spin_loop();
        }
    }

    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        let mut g = self.seq.load(Ordering::Relaxed);
        while g % 2 == 0 {
            match self.seq.compare_exchange(g, g + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(self.guard()),
                Err(now) => g = now,
            }
        }
        None
    }

    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

#[must_use = "the lock is released at once if the guard is not kept"]
pub struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
    _value: PhantomData<&'a mut T>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock, so nobody else uses the value.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and `&mut self` is the only way through this guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.seq.fetch_add(1, Ordering::Release);
    }
}
