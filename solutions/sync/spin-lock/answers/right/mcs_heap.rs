//! MCS queue: one node on the heap for each call; a node that a forgotten guard has left is freed with the lock

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

mod queue {
    use std::ptr::{self, NonNull};
    use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

    pub struct Node {
        next: AtomicPtr<Node>,
        go: AtomicBool,
    }

    impl Node {
        fn boxed() -> *mut Node {
            Box::into_raw(Box::new(Node { next: AtomicPtr::new(ptr::null_mut()), go: AtomicBool::new(false) }))
        }
    }

    pub struct Queue {
        tail: AtomicPtr<Node>,
    }

    impl Queue {
        pub const fn new() -> Self {
            Queue { tail: AtomicPtr::new(ptr::null_mut()) }
        }

        pub fn enter(&self) -> NonNull<Node> {
            let node = Node::boxed();
            let before = self.tail.swap(node, Ordering::AcqRel);
            if !before.is_null() {
                // SAFETY: `before` lives until its owner has seen this link; `node`
                // is freed by this thread only.
                unsafe {
                    (*before).next.store(node, Ordering::Release);
                    while !(*node).go.load(Ordering::Acquire) {
                        std::hint::spin_loop();
                    }
                }
            }
            // SAFETY: a box is never null.
            unsafe { NonNull::new_unchecked(node) }
        }

        pub fn try_enter(&self) -> Option<NonNull<Node>> {
            if !self.tail.load(Ordering::Relaxed).is_null() {
                return None;
            }
            let node = Node::boxed();
            match self.tail.compare_exchange(ptr::null_mut(), node, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => NonNull::new(node),
                Err(_) => {
                    // SAFETY: nobody has seen it.
                    drop(unsafe { Box::from_raw(node) });
                    None
                }
            }
        }

        /// # Safety
        /// `node` comes from `enter` or `try_enter`, and it is given back once.
        pub unsafe fn leave(&self, node: NonNull<Node>) {
            let node = node.as_ptr();
            // SAFETY: see above; the next node lives until it is told to go.
            unsafe {
                let mut next = (*node).next.load(Ordering::Acquire);
                if next.is_null() {
                    if self
                        .tail
                        .compare_exchange(node, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed)
                        .is_ok()
                    {
                        drop(Box::from_raw(node));
                        return;
                    }
                    while next.is_null() {
                        std::hint::spin_loop();
                        next = (*node).next.load(Ordering::Acquire);
                    }
                }
                (*next).go.store(true, Ordering::Release);
                drop(Box::from_raw(node));
            }
        }
    }

    impl Drop for Queue {
        fn drop(&mut self) {
            let tail = *self.tail.get_mut();
            if !tail.is_null() {
                // SAFETY: a guard was forgotten, and nobody can wait any more.
                drop(unsafe { Box::from_raw(tail) });
            }
        }
    }
}

pub struct SpinLock<T> {
    queue: queue::Queue,
    value: UnsafeCell<T>,
}

// SAFETY: one thread at a time is at the head of the queue.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        SpinLock { queue: queue::Queue::new(), value: UnsafeCell::new(value) }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        SpinGuard { lock: self, node: self.queue.enter(), _value: PhantomData }
    }

    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        self.queue.try_enter().map(|node| SpinGuard { lock: self, node, _value: PhantomData })
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
    node: std::ptr::NonNull<queue::Node>,
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
        // SAFETY: the node of this guard, given back once.
        unsafe { self.lock.queue.leave(self.node) }
    }
}
