//! A spin lock: one bit, and waiters that try again until they have set it.
//!
//! ```text
//!   lock(): swap(true) ── was false ──▶ taken
//!               ▲ └────── was true ───▶ look, without writing, until it is false
//!               └───────────────────────────────┘
//! ```

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread;

use crate::spin::Spin;

/// A value that one thread at a time may use, for a handful of instructions.
///
/// A waiting thread keeps its CPU busy. If the scheduler preempts the holder, all other threads
/// wait for it for a whole time slice. Use a spin lock where the work under the lock is shorter
/// than a system call and never blocks; use [`Mutex`](crate::Mutex) everywhere else.
///
/// ```
/// let lock = sync::SpinLock::new(1);
/// *lock.lock() += 1;
/// assert_eq!(*lock.lock(), 2);
/// ```
///
/// Not fair, not reentrant, and not poisoned by a panic. Waiting with loads before the next swap is
/// the "test" in the test-and-test-and-set of L. Rudolph and Z. Segall, "Dynamic Decentralized
/// Cache Schemes for MIMD Parallel Processors", ISCA 1984. T. E. Anderson measured what it saves in
/// "The Performance of Spin Lock Alternatives for Shared-Memory Multiprocessors", IEEE TPDS 1(1),
/// 1990.
#[derive(Default)]
pub struct SpinLock<T: ?Sized> {
    /// Whether a guard exists.
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value from thread to thread (`T: Send`) and never lets two threads use
// it at the same time, so `T: Sync` is not needed. `locked` goes from false to true in one step,
// for only one of the threads that try, and only that thread's guard sets it back.
unsafe impl<T: ?Sized + Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// Makes an unlocked lock around `value`. This is a `const fn`, so the lock can be a static.
    pub const fn new(value: T) -> Self {
        Self {
            locked: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Consumes the lock and returns its value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> SpinLock<T> {
    /// Waits until the lock is free and takes it.
    #[inline]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            self.wait_until_free();
        }
    }

    /// Takes the lock if it is free; never waits.
    #[inline]
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        // Acquire: what the last holder wrote before its Release is visible from here on.
        if self.locked.swap(true, Acquire) {
            return None;
        }
        Some(SpinGuard {
            lock: self,
            exclusive: PhantomData,
        })
    }

    /// Returns the value without locking: `&mut self` proves that no thread holds the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Returns when this thread has seen the lock free. Another thread may take it right
    /// afterwards.
    #[cold]
    fn wait_until_free(&self) {
        let mut spin = Spin::new();
        // This is only a load, so all waiters can share the cache line. A swap in every round would
        // take the line away from the holder, which needs it to unlock.
        while self.locked.load(Relaxed) {
            // The holder has probably been preempted. Give it this CPU.
            if !spin.again() {
                thread::yield_now();
            }
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SpinLock");
        match self.try_lock() {
            Some(guard) => shown.field("value", &&*guard),
            None => shown.field("value", &format_args!("<locked>")),
        };
        shown.finish()
    }
}

/// Proof that its owner holds a [`SpinLock`], with access to the value. Dropping it releases the
/// lock, also when a panic unwinds.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct SpinGuard<'a, T: ?Sized> {
    lock: &'a SpinLock<T>,
    /// Makes the guard count as the `&mut T` that it gives out. Without this, a
    /// `SpinGuard<Cell<_>>` would be `Sync`, because a `SpinLock<Cell<_>>` is.
    exclusive: PhantomData<&'a mut T>,
}

impl<T: ?Sized> Deref for SpinGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one of its lock, and it is borrowed.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for SpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one of its lock, and it is borrowed exclusively.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for SpinGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release: all that was written until here is visible to the next holder.
        self.lock.locked.store(false, Release);
    }
}
