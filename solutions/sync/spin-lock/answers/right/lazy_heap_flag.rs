//! the flag lies on the heap and is made by the first call; it is freed with the lock (Drop is on a helper, not on SpinLock)

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicU16, Ordering};

struct Lazy(AtomicPtr<AtomicU16>);

impl Lazy {
    fn get(&self) -> &AtomicU16 {
        let mut p = self.0.load(Ordering::Acquire);
        if p.is_null() {
            let new = Box::into_raw(Box::new(AtomicU16::new(0)));
            match self.0.compare_exchange(null_mut(), new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => p = new,
                Err(theirs) => {
                    // SAFETY: nobody has seen it.
                    drop(unsafe { Box::from_raw(new) });
                    p = theirs;
                }
            }
        }
        // SAFETY: it lives as long as `self`.
        unsafe { &*p }
    }
}

impl Drop for Lazy {
    fn drop(&mut self) {
        let p = *self.0.get_mut();
        if !p.is_null() {
            // SAFETY: made by `get`.
            drop(unsafe { Box::from_raw(p) });
        }
    }
}

pub struct SpinLock<T> {
    flag: Lazy,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value from thread to thread, one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        SpinLock { flag: Lazy(AtomicPtr::new(null_mut())), value: UnsafeCell::new(value) }
    }

    fn guard(&self) -> SpinGuard<'_, T> {
        SpinGuard { lock: self, _value: PhantomData }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        let flag = self.flag.get();
        while flag.fetch_or(1 << 15, Ordering::Acquire) != 0 {
            while flag.load(Ordering::Relaxed) != 0 {
                std::thread::yield_now();
            }
        }
        self.guard()
    }

    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        let was = self.flag.get().fetch_or(1 << 15, Ordering::Acquire);
        if was == 0 { Some(self.guard()) } else { None }
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
        self.lock.flag.get().fetch_xor(1 << 15, Ordering::Release);
    }
}
