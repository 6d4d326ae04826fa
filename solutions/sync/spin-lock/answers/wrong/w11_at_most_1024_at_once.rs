// contract broken: C2: a thread that holds 1024 locks cannot lock another one: it waits until it has fewer, for ever

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static HELD: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

pub struct SpinLock<T> {
    flag: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value from thread to thread, one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        SpinLock { flag: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    fn guard(&self) -> SpinGuard<'_, T> {
        SpinGuard { lock: self, _value: PhantomData }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        while HELD.get() >= 1024 {
            std::thread::yield_now();
        }
        while self.flag.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        HELD.set(HELD.get() + 1);
        self.guard()
    }

    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        if self.flag.swap(true, Ordering::Acquire) {
            None
        } else {
            HELD.set(HELD.get() + 1);
            Some(self.guard())
        }
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
    _value: PhantomData<(&'a mut T, *const ())>,
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
        HELD.set(HELD.get().wrapping_sub(1));
        self.lock.flag.store(false, Ordering::Release);
    }
}
