//! A condition variable: sleep, without the lock, until somebody says that a value has changed.

use crate::deadline::Deadline;
use crate::{MutexGuard, TimedOut};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Where threads wait for a value under a [`Mutex`](crate::Mutex) to change.
///
/// ```
/// use sync::{Condvar, Mutex};
///
/// let (ready, changed) = (Mutex::new(false), Condvar::new());
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         *ready.lock() = true;
///         changed.notify_one();
///     });
///     let ready = changed.wait_while(ready.lock(), |ready| !*ready);
///     assert!(*ready);
/// });
/// ```
///
/// The protocol has two halves. Who waits looks at the value and begins to wait under the same
/// locking; who changes the value does that under the lock, and notifies then or later. A change
/// outside the lock can fall between the look and the wait, and its notification is lost.
///
/// A wait may end for no reason, so it belongs in a loop; [`wait_while`](Self::wait_while) is that
/// loop. To tie the condition to its lock, use a [`Monitor`](crate::Monitor).
#[derive(Debug, Default)]
pub struct Condvar {
    /// Changes with each notification. Who has read it under the lock and falls asleep only while
    /// it is still the same cannot sleep through a notification. (It would have to be notified
    /// exactly 2³² times between the two.)
    notifications: AtomicU32,
    /// Who waits or is about to. A notification for nobody costs no system call.
    waiters: AtomicU32,
}

impl Condvar {
    /// With nobody waiting; `const`, so that it can be a static.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            notifications: AtomicU32::new(0),
            waiters: AtomicU32::new(0),
        }
    }

    /// Unlocks, sleeps until a notification or for no reason, and locks again.
    ///
    /// Use the same mutex for all waits at a time: another is not unsound, but whoever notifies
    /// holds one of them only, and the others' waiters may miss it.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.sleep(guard, futex::wait).0
    }

    /// Waits until `condition` is false; looks first, so it may not wait at all.
    ///
    /// If `condition` panics, the mutex is unlocked and the panic goes on.
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> MutexGuard<'a, T> {
        while condition(&mut guard) {
            guard = self.wait(guard);
        }
        guard
    }

    /// [`wait_while`](Self::wait_while), for `timeout` at most. The guard comes back either way.
    ///
    /// # Errors
    /// [`TimedOut`] if the time was up and `condition` still true.
    pub fn wait_while_for<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> (MutexGuard<'a, T>, Result<(), TimedOut>) {
        let deadline = Deadline::after(timeout);
        let mut in_time = Ok(());
        loop {
            if !condition(&mut guard) {
                return (guard, Ok(()));
            }
            if in_time.is_err() {
                return (guard, in_time);
            }
            // A last look after the time is up: the change may have come with it.
            (guard, in_time) = self.sleep(guard, |word, seen| deadline.wait(word, seen));
        }
    }

    /// Wakes one of those who wait, if there is one.
    ///
    /// Enough if every waiter waits for the same and one can use the change; otherwise the one that
    /// is woken may be the one that cannot.
    #[inline]
    pub fn notify_one(&self) {
        if self.is_awaited() {
            self.wake(|word| {
                futex::wake_one(word);
            });
        }
    }

    /// Wakes all who wait.
    #[inline]
    pub fn notify_all(&self) {
        if self.is_awaited() {
            self.wake(|word| {
                futex::wake_all(word);
            });
        }
    }

    /// Whether a waiter needs to hear of a change that was made under the lock before this call.
    #[inline]
    fn is_awaited(&self) -> bool {
        // Relaxed is enough, and so it is for `notifications`: the mutex orders them. A waiter that
        // has looked before the change has counted itself, and read `notifications`, before it
        // unlocked, and that came before the change was made.
        self.waiters.load(Relaxed) > 0
    }

    #[cold]
    fn wake(&self, wake: impl FnOnce(&AtomicU32)) {
        self.notifications.fetch_add(1, Relaxed);
        wake(&self.notifications);
    }

    fn sleep<'a, T: ?Sized, R>(
        &self,
        guard: MutexGuard<'a, T>,
        sleep: impl FnOnce(&AtomicU32, u32) -> R,
    ) -> (MutexGuard<'a, T>, R) {
        let mutex = guard.mutex();
        self.waiters.fetch_add(1, Relaxed);
        let seen = self.notifications.load(Relaxed);
        drop(guard);
        let result = sleep(&self.notifications, seen);
        self.waiters.fetch_sub(1, Relaxed);
        (mutex.lock(), result)
    }
}
