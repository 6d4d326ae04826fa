//! an MCS lock: each waiter spins on a node of its own, which it allocates and frees; the guard is neither Send nor Sync
use std::cell::{Cell, UnsafeCell};
use std::hint;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicPtr};

struct Node {
    next: AtomicPtr<Node>,
    waits: AtomicBool,
}

pub struct SpinLock<T> {
    tail: AtomicPtr<Node>,
    value: UnsafeCell<T>,
}

// SAFETY: the queue lets one thread at a time in.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        SpinLock {
            tail: AtomicPtr::new(null_mut()),
            value: UnsafeCell::new(value),
        }
    }

    fn node() -> *mut Node {
        Box::into_raw(Box::new(Node {
            next: AtomicPtr::new(null_mut()),
            waits: AtomicBool::new(true),
        }))
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        let node = Self::node();
        let before = self.tail.swap(node, AcqRel);
        if !before.is_null() {
            // SAFETY: its owner frees it only after it has seen `next`.
            unsafe {
                (*before).next.store(node, Release);
                while (*node).waits.load(Acquire) {
                    hint::spin_loop();
                }
            }
        }
        SpinGuard {
            lock: self,
            node: Cell::new(node),
            value: PhantomData,
        }
    }

    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        if !self.tail.load(Relaxed).is_null() {
            return None;
        }
        let node = Self::node();
        match self
            .tail
            .compare_exchange(null_mut(), node, AcqRel, Relaxed)
        {
            Ok(_) => Some(SpinGuard {
                lock: self,
                node: Cell::new(node),
                value: PhantomData,
            }),
            Err(_) => {
                // SAFETY: nobody has seen it.
                drop(unsafe { Box::from_raw(node) });
                None
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
    node: Cell<*mut Node>,
    value: PhantomData<&'a mut T>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        let node = self.node.get();
        // SAFETY: the node is this guard's until it is freed here.
        unsafe {
            if (*node).next.load(Acquire).is_null() {
                if self
                    .lock
                    .tail
                    .compare_exchange(node, null_mut(), AcqRel, Relaxed)
                    .is_ok()
                {
                    drop(Box::from_raw(node));
                    return;
                }
                while (*node).next.load(Acquire).is_null() {
                    hint::spin_loop();
                }
            }
            let next = (*node).next.load(Acquire);
            (*next).waits.store(false, Release);
            drop(Box::from_raw(node));
        }
    }
}
