// contract broken: C7: the value is not dropped if the lock ends while its thread panics

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

pub struct SpinLock<T> {
    flag: AtomicBool,
    value: UnsafeCell<std::mem::ManuallyDrop<T>>,
}

// SAFETY: the lock hands the value from thread to thread, one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        SpinLock { flag: AtomicBool::new(false), value: UnsafeCell::new(std::mem::ManuallyDrop::new(value)) }
    }

    fn guard(&self) -> SpinGuard<'_, T> {
        SpinGuard { lock: self, _value: PhantomData }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        while self.flag.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        self.guard()
    }

    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        if self.flag.swap(true, Ordering::Acquire) { None } else { Some(self.guard()) }
    }

    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    pub fn into_inner(self) -> T {
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: read once.
        unsafe { std::ptr::read(this.value.get().cast()) }
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
        unsafe { &**self.lock.value.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and `&mut self` is the only way through this guard.
        unsafe { &mut **self.lock.value.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.flag.store(false, Ordering::Release);
    }
}

impl<T> Drop for SpinLock<T> {
    fn drop(&mut self) {
        // SAFETY: dropped here only.
        if !std::thread::panicking() {
            unsafe { std::mem::ManuallyDrop::drop(self.value.get_mut()) }
        }
    }
}
