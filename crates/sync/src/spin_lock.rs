//! A spin lock: one bit, and waiters that try again until it is theirs.
//!
//! ```text
//!   lock(): swap(true) ── was false ──▶ it is yours
//!               ▲ └────── was true ───▶ look, without writing, until it is false
//!               └───────────────────────────────┘
//! ```

use crate::spin::Spin;
use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::thread;

/// A value that one thread at a time may touch, for a handful of instructions.
///
/// Waiting burns the CPU, and a holder that the scheduler interrupts is waited for by everybody
/// else for a whole time slice. Use it where the work under the lock is shorter than a system call
/// and never blocks; use [`Mutex`](crate::Mutex) everywhere else.
///
/// ```
/// let lock = sync::SpinLock::new(1);
/// *lock.lock() += 1;
/// assert_eq!(*lock.lock(), 2);
/// ```
///
/// Not fair, not reentrant, not poisoned by a panic. Looking without writing is the "test" of the
/// test-and-test-and-set of L. Rudolph and Z. Segall, "Dynamic Decentralized Cache Schemes for MIMD
/// Parallel Processors", ISCA 1984; what it saves was measured by T. E. Anderson, "The Performance
/// of Spin Lock Alternatives for Shared-Memory Multiprocessors", IEEE TPDS 1(1), 1990.
#[derive(Default)]
pub struct SpinLock<T: ?Sized> {
    /// Whether a guard exists.
    locked: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands the value from thread to thread (`T: Send`) and never lets two at it at a
// time, so `T: Sync` is not needed: `locked` goes from false to true in one step, for one of all
// who try, and only that one's guard sets it back.
unsafe impl<T: ?Sized + Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// An unlocked lock around `value`; `const`, so that it can be a static.
    pub const fn new(value: T) -> Self {
        Self {
            locked: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, out of a lock that nobody needs any more.
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

    /// The value, without locking: a `&mut` proves that nobody holds the lock.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Returns when somebody has seen the lock free, which need not last.
    #[cold]
    fn wait_until_free(&self) {
        let mut spin = Spin::new();
        // Only a load: all waiters share the cache line. A swap would take it away from the holder,
        // who needs it to unlock, each time round.
        while self.locked.load(Relaxed) {
            // A holder that holds it for so long is not running: this CPU may be the one it needs.
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

/// The right to use the value of a [`SpinLock`]; dropping it, by a panic too, unlocks.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct SpinGuard<'a, T: ?Sized> {
    lock: &'a SpinLock<T>,
    /// Stands in for the `&mut T` that this is: without it a `SpinGuard<Cell<_>>` would be `Sync`,
    /// because a `SpinLock<Cell<_>>` is.
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
