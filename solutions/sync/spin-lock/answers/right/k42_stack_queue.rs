//! K42 variant of MCS: the nodes lie on the stacks of the waiters, the holder has none

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

struct Node {
    waiting: AtomicBool,
    next: AtomicPtr<Node>,
}

/// In `tail`: held, and nobody waits. (Not the address of the lock: a lock may be
/// moved after a guard was forgotten.)
fn held() -> *mut Node {
    without_provenance_mut(1)
}

pub struct SpinLock<T> {
    tail: AtomicPtr<Node>,
    first: AtomicPtr<Node>,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value from thread to thread, one at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        SpinLock { tail: AtomicPtr::new(null_mut()), first: AtomicPtr::new(null_mut()), value: UnsafeCell::new(value) }
    }

    fn guard(&self) -> SpinGuard<'_, T> {
        SpinGuard { lock: self, _value: PhantomData }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        loop {
            let seen = self.tail.load(Ordering::Acquire);
            if seen.is_null() {
                if let Some(guard) = self.try_lock() {
                    return guard;
                }
                continue;
            }
            let node = Node { waiting: AtomicBool::new(true), next: AtomicPtr::new(null_mut()) };
            let me = (&raw const node).cast_mut();
            let Ok(before) = self.tail.compare_exchange(seen, me, Ordering::AcqRel, Ordering::Relaxed) else {
                std::hint::spin_loop();
                continue;
            };
            if before == held() {
                self.first.store(me, Ordering::Release);
            } else {
                // SAFETY: it was the tail, so its owner waits for this link before
                // it goes on.
                unsafe { (*before).next.store(me, Ordering::Release) };
            }
            while node.waiting.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            // Held by this thread. Take the node out of the queue.
            let mut next = node.next.load(Ordering::Acquire);
            if next.is_null() {
                self.first.store(null_mut(), Ordering::Relaxed);
                if self.tail.compare_exchange(me, held(), Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                    return self.guard();
                }
                while next.is_null() {
                    std::thread::yield_now();
                    next = node.next.load(Ordering::Acquire);
                }
            }
            self.first.store(next, Ordering::Relaxed);
            return self.guard();
        }
    }

    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        self.tail
            .compare_exchange(null_mut(), held(), Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
            .then(|| self.guard())
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
        let lock = self.lock;
        let mut next = lock.first.load(Ordering::Acquire);
        if next.is_null() {
            if lock.tail.compare_exchange(held(), null_mut(), Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return;
            }
            while next.is_null() {
                std::thread::yield_now();
                next = lock.first.load(Ordering::Acquire);
            }
        }
        // SAFETY: its owner waits in `lock` for this store.
        unsafe { (*next).waiting.store(false, Ordering::Release) };
    }
}
