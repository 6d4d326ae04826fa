// contract broken: C1: a queue lock with 64 slots: the 65th thread shares a slot with the first
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const SLOTS: usize = 64;

pub struct SpinLock<T> {
    tail: AtomicUsize,
    may_go: [AtomicBool; SLOTS],
    value: UnsafeCell<T>,
}

// SAFETY: one slot at a time says "go".
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        Self {
            tail: AtomicUsize::new(0),
            may_go: {
                let slots = [const { AtomicBool::new(false) }; SLOTS];
                let first = AtomicBool::new(true);
                let mut slots = slots;
                slots[0] = first;
                slots
            },
            value: UnsafeCell::new(value),
        }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        let slot = self.tail.fetch_add(1, Ordering::Relaxed) % SLOTS;
        while !self.may_go[slot].load(Ordering::Acquire) {
            std::hint::spin_loop();
        }
        SpinGuard {
            lock: self,
            slot,
            marker: PhantomData,
        }
    }

    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            if !self.may_go[tail % SLOTS].load(Ordering::Acquire) {
                let again = self.tail.load(Ordering::Relaxed);
                if again == tail {
                    return None;
                }
                tail = again;
                continue;
            }
            match self
                .tail
                .compare_exchange(tail, tail + 1, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => {
                    return Some(SpinGuard {
                        lock: self,
                        slot: tail % SLOTS,
                        marker: PhantomData,
                    });
                }
                Err(again) => tail = again,
            }
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
    slot: usize,
    marker: PhantomData<&'a mut T>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: our slot said "go".
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: our slot said "go".
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.may_go[self.slot].store(false, Ordering::Relaxed);
        self.lock.may_go[(self.slot + 1) % SLOTS].store(true, Ordering::Release);
    }
}
