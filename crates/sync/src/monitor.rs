//! A monitor: a value, its lock and its conditions in one.
//!
//! ```text
//!             ┌───────────── inside: one thread at a time ─────────────┐
//!   enter ───▶│  look at the value, change it, notify                  │───▶ leave
//!             │      │ wait_while                    ▲ the lock again  │
//!             └──────┼───────────────────────────────┼─────────────────┘
//!                    └──▶ asleep at a condition ──▶ notified
//! ```

use crate::{Condvar, Mutex, MutexGuard, TimedOut};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

/// A value that one thread at a time may touch, and the conditions that threads wait for.
///
/// What a mutex and a condition variable leave to discipline, a monitor ties together: nobody can
/// wait at a condition or notify it without being inside.
///
/// `C` holds the conditions: a [`Condvar`] if there is one, as here, or a struct with a `Condvar`
/// for each, so that they have names:
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
/// A notified thread has to enter again, and others may come first; it therefore looks again. These
/// are the conditions of B. W. Lampson and D. D. Redell, "Experience with Processes and Monitors in
/// Mesa", CACM 23(2), 1980. In C. A. R. Hoare's, "Monitors: An Operating System Structuring
/// Concept", CACM 17(10), 1974, the notified thread goes on at once and an `if` is enough; no
/// system in wide use works like that.
///
/// Not poisoned by a panic inside: the next thread finds the value as it was left.
#[derive(Debug, Default)]
pub struct Monitor<T: ?Sized, C = Condvar> {
    conditions: C,
    value: Mutex<T>,
}

impl<T> Monitor<T> {
    /// A monitor with one condition; `const`, so that it can be a static.
    pub const fn new(value: T) -> Self {
        Self::with_conditions(value, Condvar::new())
    }
}

impl<T, C> Monitor<T, C> {
    /// A monitor with the conditions in `conditions`.
    pub const fn with_conditions(value: T, conditions: C) -> Self {
        Self {
            conditions,
            value: Mutex::new(value),
        }
    }

    /// The value, out of a monitor that nobody needs any more.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized, C> Monitor<T, C> {
    /// Waits until nobody is inside, and goes in. Dropping what it returns leaves.
    pub fn enter(&self) -> Inside<'_, T, C> {
        Inside {
            conditions: &self.conditions,
            guard: Some(self.value.lock()),
        }
    }

    /// Goes in if nobody is inside; never waits.
    pub fn try_enter(&self) -> Option<Inside<'_, T, C>> {
        Some(Inside {
            conditions: &self.conditions,
            guard: Some(self.value.try_lock()?),
        })
    }

    /// The value, without entering: a `&mut` proves that nobody is inside.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: ?Sized> Monitor<T> {
    /// Enters, waits at the only condition while `condition` is true, and returns inside.
    pub fn enter_when_not(&self, condition: impl FnMut(&mut T) -> bool) -> Inside<'_, T> {
        let mut inside = self.enter();
        inside.wait_while(|only| only, condition);
        inside
    }

    /// Enters, changes the value, wakes all who wait at the only condition, and leaves.
    pub fn update<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut inside = self.enter();
        let result = change(&mut inside);
        inside.notify_all(|only| only);
        result
    }
}

/// A thread inside a [`Monitor`]: the value, and the conditions. Dropping it, by a panic too, leaves.
#[must_use = "the monitor is left at once if this is not kept"]
#[derive(Debug)]
pub struct Inside<'a, T: ?Sized, C = Condvar> {
    conditions: &'a C,
    /// `None` only while it waits, or if the wait panicked.
    guard: Option<MutexGuard<'a, T>>,
}

impl<'a, T: ?Sized, C> Inside<'a, T, C> {
    /// Leaves, sleeps at the condition that `which` chooses, and enters again, until `condition` is
    /// false; looks first, so it may not wait at all.
    ///
    /// If `condition` panics, the monitor is left and the panic goes on.
    pub fn wait_while(
        &mut self,
        which: impl FnOnce(&C) -> &Condvar,
        condition: impl FnMut(&mut T) -> bool,
    ) {
        let at = which(self.conditions);
        let guard = self.take();
        self.guard = Some(at.wait_while(guard, condition));
    }

    /// [`wait_while`](Self::wait_while), for `timeout` at most; inside again either way.
    ///
    /// # Errors
    /// [`TimedOut`] if the time was up and `condition` still true.
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

    /// Wakes one of those who wait at a condition; it goes on when this thread has left.
    pub fn notify_one(&self, which: impl FnOnce(&C) -> &Condvar) {
        which(self.conditions).notify_one();
    }

    /// Wakes all who wait at a condition; they go on, one after the other, when this one has left.
    pub fn notify_all(&self, which: impl FnOnce(&C) -> &Condvar) {
        which(self.conditions).notify_all();
    }

    /// Leaves, and then wakes one of those who wait at a condition: it need not wait for this one to
    /// leave.
    pub fn leave_and_notify_one(self, which: impl FnOnce(&C) -> &Condvar) {
        let at = which(self.conditions);
        drop(self);
        at.notify_one();
    }

    fn take(&mut self) -> MutexGuard<'a, T> {
        self.guard.take().expect(GONE)
    }
}

/// Nothing of this crate can reach it: a panic in the middle of a wait unwinds through the borrow
/// of `Inside`, so only a caller that catches it there and goes on sees an `Inside` without guard.
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
