//! A counting semaphore: so many permits, and who finds none waits.

use crate::TimedOut;
use crate::deadline::Deadline;
use crate::spin::Spin;
use std::error::Error;
use std::fmt;
use std::mem;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, fence};
use std::time::Duration;

/// A number of permits that threads take and give back.
///
/// A semaphore is not a lock with a number: it has no owner. Whoever releases need not be who
/// acquired, and releasing what nobody acquired adds a permit, up to the maximum.
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
/// Not fair: who comes may overtake who sleeps. After E. W. Dijkstra, "Cooperating Sequential
/// Processes", 1965, where acquire is P and release is V.
#[derive(Debug)]
pub struct Semaphore {
    /// Permits to be had. Who finds none sleeps while this is 0.
    permits: AtomicU32,
    /// Who sleeps, or is about to, or has just woken up.
    waiters: AtomicU32,
    maximum: u32,
}

impl Semaphore {
    /// `permits` permits, and no limit but that of the number; `const`, so that it can be a static.
    #[must_use]
    pub const fn new(permits: u32) -> Self {
        Self {
            permits: AtomicU32::new(permits),
            waiters: AtomicU32::new(0),
            maximum: u32::MAX,
        }
    }

    /// `permits` permits, and never more than `maximum`. With a maximum of 1 it is a binary
    /// semaphore.
    ///
    /// # Errors
    /// [`TooManyPermits`] if there would be more than that to begin with.
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
        self.take().then(|| Permit { of: self }) // lazily: a permit that is dropped is released
    }

    /// [`acquire`](Self::acquire), for `timeout` at most. With a timeout of zero it never sleeps.
    ///
    /// # Errors
    /// [`TimedOut`] if there was none in time; then no permit is taken or lost.
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit<'_>, TimedOut> {
        if !self.take() {
            let deadline = Deadline::after(timeout);
            self.wait_for_one(|permits| deadline.wait(permits, 0))?;
        }
        Ok(Permit { of: self })
    }

    /// Adds `more` permits and wakes as many who wait for one.
    ///
    /// For permits that were made into numbers with [`Permit::forget`], or that are produced, like
    /// items in a queue; a [`Permit`] releases itself.
    ///
    /// # Errors
    /// [`TooManyPermits`] if there would be more than the maximum; then none is added.
    #[inline]
    pub fn release(&self, more: u32) -> Result<(), TooManyPermits> {
        // Release: what was done under the permits is visible to who takes them next.
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
        // The other half is in `wait_for_one`: of two threads that each write one word and then,
        // after such a fence, read the other's, at least one sees the other. Without the fences
        // both reads may come before both writes, and a waiter sleeps beside a free permit.
        fence(SeqCst);
        let waiters = self.waiters.load(Relaxed);
        if waiters > 0 {
            self.wake(waiters.min(more));
        }
        Ok(())
    }

    /// How many permits there are at this moment; by the time you look they may be gone.
    #[must_use]
    pub fn available(&self) -> u32 {
        self.permits.load(Relaxed)
    }

    /// The most permits that there may be.
    #[must_use]
    pub fn maximum(&self) -> u32 {
        self.maximum
    }

    #[inline]
    fn take(&self) -> bool {
        // Look and take are one step. A load and then a subtraction would let two threads take the
        // same last permit.
        self.permits
            .fetch_update(Acquire, Relaxed, |there| there.checked_sub(1))
            .is_ok()
    }

    /// Sleeps until it has taken a permit, or `sleep` gives up.
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
        // Also after the time is up: a permit may have come with it, and the wake-up for it too.
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

/// A permit of a [`Semaphore`]; dropping it, by a panic too, gives it back.
#[must_use = "the permit is given back at once if it is not kept"]
#[derive(Debug)]
pub struct Permit<'a> {
    of: &'a Semaphore,
}

impl Permit<'_> {
    /// Keeps the permit without keeping this: there is one less, until somebody
    /// [releases](Semaphore::release) one.
    pub fn forget(self) {
        mem::forget(self);
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        // If there is no room for it, somebody has released a permit that was never taken: the
        // maximum holds, and the surplus is gone.
        let _surplus = self.of.release(1);
    }
}

/// There would be more permits than the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyPermits {
    /// How many there are.
    pub there: u32,
    /// How many should have been added.
    pub more: u32,
    /// How many there may be.
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
