//! A condition variable: a thread releases a lock and sleeps until another thread reports that a
//! value has changed.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::{MutexGuard, TimedOut};

/// A place where threads wait until a value under a [`Mutex`](crate::Mutex) changes.
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
/// The protocol has two halves. The waiting thread checks the value and begins to wait without
/// releasing the lock in between. The thread that changes the value does so under the lock, and
/// notifies then or later. A change outside the lock can fall between the check and the wait, and
/// then its notification is lost.
///
/// A wait may end for no reason (a spurious wake-up), so it belongs in a loop.
/// [`wait_while`](Self::wait_while) is that loop. To tie the condition to its lock, use a
/// [`Monitor`](crate::Monitor).
#[derive(Debug, Default)]
pub struct Condvar {
    /// Changes with each notification. A waiter reads this word under the lock, and falls asleep
    /// only while the word is still the same. It therefore cannot sleep through a notification.
    /// (There would have to be exactly 2³² notifications between the two steps.)
    notifications: AtomicU32,
    /// How many threads wait or are about to wait. If there are none, a notification makes no
    /// system call.
    waiters: AtomicU32,
}

impl Condvar {
    /// Makes a condition variable without waiters. This is a `const fn`, so it can be a static.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            notifications: AtomicU32::new(0),
            waiters: AtomicU32::new(0),
        }
    }

    /// Unlocks the mutex, sleeps until a notification comes, and locks the mutex again. It may also
    /// wake up for no reason.
    ///
    /// Threads that wait at the same time should use the same mutex. Different mutexes are not
    /// unsound, but a notifying thread holds only one of them, and the waiters of the others may
    /// miss the notification.
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.sleep(guard, futex::wait).0
    }

    /// Waits until `condition` returns false. It checks first, so it may not wait at all.
    ///
    /// If `condition` panics, the guard unlocks the mutex and the panic goes on.
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

    /// Like [`wait_while`](Self::wait_while), but waits for at most `timeout`. It returns the guard
    /// either way.
    ///
    /// # Errors
    /// [`TimedOut`] if the time was up and `condition` was still true.
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
            // The loop checks once more after the time is up: the change may have come at that very
            // moment.
            (guard, in_time) = self.sleep(guard, |word, seen| deadline.wait(word, seen));
        }
    }

    /// Wakes one waiter, if there is one.
    ///
    /// This is enough if every waiter waits for the same condition and one of them can use the
    /// change. Otherwise it may wake a waiter that cannot go on, while another waiter that could go
    /// on keeps sleeping.
    #[inline]
    pub fn notify_one(&self) {
        if self.is_awaited() {
            self.wake(|word| {
                futex::wake_one(word);
            });
        }
    }

    /// Wakes all waiters.
    #[inline]
    pub fn notify_all(&self) {
        if self.is_awaited() {
            self.wake(|word| {
                futex::wake_all(word);
            });
        }
    }

    /// Whether there may be a waiter that has to hear of a change made under the lock before this
    /// call.
    #[inline]
    fn is_awaited(&self) -> bool {
        // Relaxed is enough here and for `notifications`, because the mutex orders them. A waiter
        // that checked the value before the change counted itself and read `notifications` before
        // it unlocked. The change was made under the lock after that.
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
