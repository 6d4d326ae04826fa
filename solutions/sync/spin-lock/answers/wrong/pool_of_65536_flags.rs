// contract broken: C2: the flags come from a static pool of 65,536: the 65,537th lock shares its flag with the first

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

static POOL: [AtomicBool; 1 << 16] = [const { AtomicBool::new(false) }; 1 << 16];
static USED: AtomicU32 = AtomicU32::new(0);

pub struct SpinLock<T> {
    id: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value from thread to thread, one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        SpinLock { id: AtomicU32::new(u32::MAX), value: UnsafeCell::new(value) }
    }

    fn guard(&self) -> SpinGuard<'_, T> {
        SpinGuard { lock: self, _value: PhantomData }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        while self.flag().swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        self.guard()
    }

    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        if self.flag().swap(true, Ordering::Acquire) { None } else { Some(self.guard()) }
    }

    fn flag(&self) -> &'static AtomicBool {
        let mut id = self.id.load(Ordering::Acquire);
        if id == u32::MAX {
            let new = USED.fetch_add(1, Ordering::Relaxed) % (1 << 16);
            id = match self.id.compare_exchange(u32::MAX, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => new,
                Err(theirs) => theirs,
            };
        }
        &POOL[id as usize]
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
        self.lock.flag().store(false, Ordering::Release);
    }
}
