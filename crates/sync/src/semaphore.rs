//! A counting semaphore: a number of permits. A thread that finds no permit waits for one.

use std::error::Error;
use std::fmt;
use std::mem;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, fence};
use std::time::Duration;

use crate::TimedOut;
use crate::deadline::Deadline;
use crate::spin::Spin;

/// A number of permits that threads take and give back.
///
/// A semaphore is not a lock with a number, because it has no owner. The thread that releases a
/// permit need not be the thread that acquired it. Releasing a permit that no thread acquired adds
/// one, up to the maximum.
///
/// ```
/// use sync::Semaphore;
///
/// let seats = Semaphore::new(2);
/// let mine = seats.acquire();
/// let yours = seats.acquire();
/// assert!(seats.try_acquire().is_none());
/// drop(mine);
/// assert!(seats.try_acquire().is_some());
/// # drop(yours);
/// ```
///
/// Not fair: a thread that arrives may overtake threads that sleep. After E. W. Dijkstra,
/// "Cooperating Sequential Processes", 1965, where acquire is P and release is V.
#[derive(Debug)]
pub struct Semaphore {
    /// The permits that are free. A thread that finds none sleeps while this is 0.
    permits: AtomicU32,
    /// How many threads sleep, are about to sleep, or have just woken up.
    waiters: AtomicU32,
    maximum: u32,
}

impl Semaphore {
    /// Makes a semaphore with `permits` permits and the largest possible maximum, `u32::MAX`. This
    /// is a `const fn`, so the semaphore can be a static.
    #[must_use]
    pub const fn new(permits: u32) -> Self {
        Self {
            permits: AtomicU32::new(permits),
            waiters: AtomicU32::new(0),
            maximum: u32::MAX,
        }
    }

    /// Makes a semaphore with `permits` permits that never has more than `maximum`. With a maximum
    /// of 1 it is a binary semaphore.
    ///
    /// # Errors
    /// [`TooManyPermits`] if `permits` is more than `maximum`.
    pub const fn with_maximum(permits: u32, maximum: u32) -> Result<Self, TooManyPermits> {
        if permits > maximum {
            return Err(TooManyPermits {
                there: 0,
                more: permits,
                maximum,
            });
        }
        Ok(Self {
            permits: AtomicU32::new(permits),
            waiters: AtomicU32::new(0),
            maximum,
        })
    }

    /// Waits until there is a permit, and takes it.
    #[inline]
    pub fn acquire(&self) -> Permit<'_> {
        if !self.take() {
            let forever = self.wait_for_one(|permits| {
                futex::wait(permits, 0);
                Ok(())
            });
            debug_assert_eq!(forever, Ok(()));
        }
        Permit { of: self }
    }

    /// Takes a permit if there is one; never waits.
    #[inline]
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        // Lazily: dropping an unused `Permit` would release it.
        self.take().then(|| Permit { of: self })
    }

    /// Like [`acquire`](Self::acquire), but waits for at most `timeout`. With a timeout of zero it
    /// never sleeps.
    ///
    /// # Errors
    /// [`TimedOut`] if no permit came in time; then no permit is taken or lost.
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, TimedOut> {
        if !self.take() {
            let deadline = Deadline::after(timeout);
            self.wait_for_one(|permits| deadline.wait(permits, 0))?;
        }
        Ok(Permit { of: self })
    }

    /// Adds `more` permits, and wakes as many waiters.
    ///
    /// Call this for permits that were kept with [`Permit::forget`], or for permits that stand for
    /// something that was produced, such as items in a queue. A [`Permit`] releases itself.
    ///
    /// # Errors
    /// [`TooManyPermits`] if there would be more permits than the maximum; then none is added.
    #[inline]
    pub fn release(&self, more: u32) -> Result<(), TooManyPermits> {
        // Release: the thread that takes these permits next sees what was done before.
        let added = self.permits.fetch_update(Release, Relaxed, |there| {
            there
                .checked_add(more)
                .filter(|permits| *permits <= self.maximum)
        });
        if let Err(there) = added {
            return Err(TooManyPermits {
                there,
                more,
                maximum: self.maximum,
            });
        }
        // The other half is in `wait_for_one`. Each of the two threads writes one word, executes
        // such a fence, and then reads the word that the other thread writes. So at least one of
        // them sees what the other wrote. Without the fences, both reads could come before both
        // writes, and a waiter would sleep although a permit is free.
        fence(SeqCst);
        let waiters = self.waiters.load(Relaxed);
        if waiters > 0 {
            self.wake(waiters.min(more));
        }
        Ok(())
    }

    /// Returns how many permits are free at this moment. By the time the caller uses the number,
    /// they may be gone.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.permits.load(Relaxed)
    }

    /// Returns the largest number of permits that the semaphore may have.
    #[must_use]
    pub fn maximum(&self) -> u32 {
        self.maximum
    }

    #[inline]
    fn take(&self) -> bool {
        // The check and the subtraction are one step. With a load and then a subtraction, two
        // threads could take the same last permit.
        self.permits
            .fetch_update(Acquire, Relaxed, |there| there.checked_sub(1))
            .is_ok()
    }

    /// Waits until it has taken a permit, or until `sleep` reports that the time is up.
    #[cold]
    fn wait_for_one(
        &self,
        sleep: impl Fn(&AtomicU32) -> Result<(), TimedOut>,
    ) -> Result<(), TimedOut> {
        let mut spin = Spin::new();
        while spin.again() {
            if self.take() {
                return Ok(());
            }
        }
        self.waiters.fetch_add(1, Relaxed);
        fence(SeqCst);
        let mut in_time = Ok(());
        // Try once more after the time is up: a permit, and the wake-up for it, may have come at
        // that very moment.
        let result = loop {
            if self.take() {
                break Ok(());
            }
            if in_time.is_err() {
                break in_time;
            }
            in_time = sleep(&self.permits);
        };
        self.waiters.fetch_sub(1, Relaxed);
        result
    }

    #[cold]
    fn wake(&self, sleepers: u32) {
        for _ in 0..sleepers {
            if !futex::wake_one(&self.permits) {
                break;
            }
        }
    }
}

/// A permit of a [`Semaphore`]. Dropping it gives it back, also when a panic unwinds.
#[must_use = "the permit is given back at once if it is not kept"]
#[derive(Debug)]
pub struct Permit<'a> {
    of: &'a Semaphore,
}

impl Permit<'_> {
    /// Drops this value without giving the permit back: the semaphore has one permit less, until a
    /// thread [releases](Semaphore::release) one.
    pub fn forget(self) {
        mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        // If there is no room for this permit, a thread has released a permit that no thread had
        // taken. The maximum holds, and the surplus permit is gone.
        let _surplus = self.of.release(1);
    }
}

/// The error when a semaphore would have more permits than its maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyPermits {
    /// How many permits there are.
    pub there: u32,
    /// How many permits should have been added.
    pub more: u32,
    /// How many permits there may be.
    pub maximum: u32,
}

impl fmt::Display for TooManyPermits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            there,
            more,
            maximum,
        } = self;
        write!(
            f,
            "{more} more permits than the {there} there are would be over the maximum of {maximum}; release only what was acquired"
        )
    }
}

impl Error for TooManyPermits {}
