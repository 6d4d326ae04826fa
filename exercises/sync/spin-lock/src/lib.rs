//! A spin lock: a lock out of one atomic, whose waiters try again until it is free.
//!
//! ```text
//! static HITS: SpinLock<u64> = SpinLock::new(0);
//!
//! *HITS.lock() += 1;      // the guard lives to the end of the statement
//! ```

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// A value that one thread at a time may touch.
///
/// It may be shared between threads (`Sync`) exactly where the value may be
/// sent from one to another (`T: Send`).
///
/// It is not reentrant (locking twice on one thread spins for ever), and it is
/// not poisoned by a panic.
pub struct SpinLock<T> {
    // Replace this by what the lock needs.
    value: PhantomData<T>,
}

impl<T> SpinLock<T> {
    /// An unlocked lock around `value`; `const`, so that it can be a static.
    pub const fn new(value: T) -> Self {
        std::mem::forget(value);
        todo!()
    }

    /// Waits until the lock is free, by trying again, and takes it.
    ///
    /// Everything that the last holder wrote is visible from then on.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        todo!("take the lock, or try again")
    }

    /// Takes the lock if it is free; never waits.
    ///
    /// `None` leaves the lock as it is, with its holder.
    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        todo!("take the lock, or give up")
    }

    /// The value, without locking: a `&mut` proves that nobody holds the lock.
    pub fn get_mut(&mut self) -> &mut T {
        let _ = self.value;
        todo!("give the value")
    }

    /// The value, out of a lock that nobody needs any more.
    pub fn into_inner(self) -> T {
        todo!("give the value away")
    }
}

/// The right to use the value; dropping it, by a panic too, releases the lock.
///
/// It is `Sync` at most where `T` is, like the `&mut T` that it stands for.
#[must_use = "the lock is released at once if the guard is not kept"]
pub struct SpinGuard<'a, T> {
    // Replace this by what the guard needs.
    lock: PhantomData<&'a T>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        let _ = self.lock;
        todo!("lend the value")
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        todo!("lend the value exclusively")
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        todo!("release the lock")
    }
}
