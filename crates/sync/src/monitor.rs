//! A monitor: a value together with its lock and its conditions.
//!
//! ```text
//!             ┌───────────── inside: one thread at a time ─────────────┐
//!   enter ───▶│  look at the value, change it, notify                  │───▶ leave
//!             │      │ wait_while                    ▲ the lock again  │
//!             └──────┼───────────────────────────────┼─────────────────┘
//!                    └──▶ asleep at a condition ──▶ notified
//! ```

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::{Condvar, Mutex, MutexGuard, TimedOut};

/// A value that one thread at a time may use, and the conditions that threads wait for.
///
/// With a mutex and a condition variable, it is up to the programmer to use the two together. A
/// monitor ties them to each other: a thread has to enter before it can wait at a condition or
/// notify it.
///
/// `C` holds the conditions. By default it is a [`Condvar`], for a single condition. For several
/// conditions, use a struct with a `Condvar` for each, so that they have names:
///
/// ```
/// use sync::{Condvar, Monitor};
///
/// #[derive(Default)]
/// struct Conditions { not_empty: Condvar, not_full: Condvar }
///
/// let buffer = Monitor::with_conditions(Vec::new(), Conditions::default());
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         for item in 1..=3 {
///             let mut inside = buffer.enter();
///             inside.wait_while(|c| &c.not_full, |items| items.len() == 1);
///             inside.push(item);
///             inside.notify_one(|c| &c.not_empty);
///         }
///     });
///     for expected in 1..=3 {
///         let mut inside = buffer.enter();
///         inside.wait_while(|c| &c.not_empty, |items| items.is_empty());
///         assert_eq!(inside.pop(), Some(expected));
///         inside.notify_one(|c| &c.not_full);
///     }
/// });
/// ```
///
/// A notified thread has to enter again, and other threads may enter first, so it checks its
/// condition again. Such are the conditions of B. W. Lampson and D. D. Redell, "Experience with
/// Processes and Monitors in Mesa", CACM 23(2), 1980. In the monitors of C. A. R. Hoare, "Monitors:
/// An Operating System Structuring Concept", CACM 17(10), 1974, the notified thread goes on at
/// once, and an `if` is enough. No system in wide use works like that.
///
/// A panic inside does not poison the monitor: the next thread finds the value as the panic left
/// it.
#[derive(Debug, Default)]
pub struct Monitor<T: ?Sized, C = Condvar> {
    conditions: C,
    value: Mutex<T>,
}

impl<T> Monitor<T> {
    /// Makes a monitor with one condition. This is a `const fn`, so the monitor can be a static.
    pub const fn new(value: T) -> Self {
        Self::with_conditions(value, Condvar::new())
    }
}

impl<T, C> Monitor<T, C> {
    /// Makes a monitor with the conditions in `conditions`.
    pub const fn with_conditions(value: T, conditions: C) -> Self {
        Self {
            conditions,
            value: Mutex::new(value),
        }
    }

    /// Consumes the monitor and returns its value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized, C> Monitor<T, C> {
    /// Waits until no thread is inside, and enters. Dropping the returned value leaves the monitor.
    pub fn enter(&self) -> Inside<'_, T, C> {
        Inside {
            conditions: &self.conditions,
            guard: Some(self.value.lock()),
        }
    }

    /// Enters if no thread is inside; never waits.
    pub fn try_enter(&self) -> Option<Inside<'_, T, C>> {
        Some(Inside {
            conditions: &self.conditions,
            guard: Some(self.value.try_lock()?),
        })
    }

    /// Returns the value without entering: `&mut self` proves that no thread is inside.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: ?Sized> Monitor<T> {
    /// Enters, waits at the only condition while `condition` returns true, and returns inside the
    /// monitor.
    pub fn enter_when_not(&self, condition: impl FnMut(&mut T) -> bool) -> Inside<'_, T> {
        let mut inside = self.enter();
        inside.wait_while(|only| only, condition);
        inside
    }

    /// Enters, changes the value, wakes all threads that wait at the only condition, and leaves.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut inside = self.enter();
        let result = change(&mut inside);
        inside.notify_all(|only| only);
        result
    }
}

/// Proof that a thread is inside a [`Monitor`], with access to the value and the conditions.
/// Dropping it leaves the monitor, also when a panic unwinds.
#[must_use = "the monitor is left at once if this is not kept"]
#[derive(Debug)]
pub struct Inside<'a, T: ?Sized, C = Condvar> {
    conditions: &'a C,
    /// `None` only during a wait, or after a panic in a wait.
    guard: Option<MutexGuard<'a, T>>,
}

impl<'a, T: ?Sized, C> Inside<'a, T, C> {
    /// Leaves, sleeps at the condition that `which` chooses, and enters again, until `condition`
    /// returns false. It checks `condition` first, so it may not wait at all.
    ///
    /// If `condition` panics, this thread leaves the monitor and the panic goes on.
    pub fn wait_while(
        &mut self,
        which: impl FnOnce(&C) -> &Condvar,
        condition: impl FnMut(&mut T) -> bool,
    ) {
        let at = which(self.conditions);
        let guard = self.take();
        self.guard = Some(at.wait_while(guard, condition));
    }

    /// Like [`wait_while`](Self::wait_while), but waits for at most `timeout`. The thread is inside
    /// again either way.
    ///
    /// # Errors
    /// [`TimedOut`] if the time was up and `condition` was still true.
    pub fn wait_while_for(
        &mut self,
        which: impl FnOnce(&C) -> &Condvar,
        timeout: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> Result<(), TimedOut> {
        let at = which(self.conditions);
        let guard = self.take();
        let (guard, in_time) = at.wait_while_for(guard, timeout, condition);
        self.guard = Some(guard);
        in_time
    }

    /// Wakes one thread that waits at a condition. It goes on after this thread has left.
    pub fn notify_one(&self, which: impl FnOnce(&C) -> &Condvar) {
        which(self.conditions).notify_one();
    }

    /// Wakes all threads that wait at a condition. They go on one after the other, after this
    /// thread has left.
    pub fn notify_all(&self, which: impl FnOnce(&C) -> &Condvar) {
        which(self.conditions).notify_all();
    }

    /// Leaves first, and then wakes one thread that waits at a condition. The woken thread need not
    /// wait for this thread to leave.
    pub fn leave_and_notify_one(self, which: impl FnOnce(&C) -> &Condvar) {
        let at = which(self.conditions);
        drop(self);
        at.notify_one();
    }

    fn take(&mut self) -> MutexGuard<'a, T> {
        self.guard.take().expect(GONE)
    }
}

/// The functions of this crate cannot cause this panic. A panic in the middle of a wait unwinds
/// through the borrow of `Inside`, so only a caller that catches it there and goes on can use an
/// `Inside` without a guard.
const GONE: &str = "this thread has left the monitor: its condition panicked; enter again";

impl<T: ?Sized, C> Deref for Inside<'_, T, C> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect(GONE)
    }
}

impl<T: ?Sized, C> DerefMut for Inside<'_, T, C> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect(GONE)
    }
}
