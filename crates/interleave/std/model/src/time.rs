//! `std::time` with a virtual clock.
//!
//! Each thread has a clock of its own. Its time passes when a wait times out, when the thread sleeps,
//! and a little whenever it reads the clock. The longer a thread does nothing but read the clock, the
//! faster its time passes, so that a loop up to a deadline ends. What a thread learns from another
//! one also tells it how late it was there. The clocks start again in every execution.

use std::ops::{Add, AddAssign, Sub, SubAssign};
pub use std::time::{Duration, SystemTime, SystemTimeError, TryFromFloatSecsError, UNIX_EPOCH};

use crate::kernel::{self, object::Kind};

/// A point of the virtual clock, as [`std::time::Instant`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Instant(Duration);

impl Instant {
    /// The time now.
    ///
    /// # Panics
    /// Outside an exploration.
    #[track_caller]
    #[must_use]
    pub fn now() -> Self {
        let run = kernel::must_run(Kind::Thread);
        Self(Duration::from_nanos(run.read_clock()))
    }

    /// The time since `earlier`, or zero if that is later.
    #[must_use]
    pub fn duration_since(&self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The time since `earlier`, or `None` if that is later.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0)
    }

    /// The time since `earlier`, or zero if that is later.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }

    /// The time since this instant.
    #[track_caller]
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Self::now().duration_since(*self)
    }

    /// This instant plus `duration`, if it can be represented.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Self> {
        self.0.checked_add(duration).map(Self)
    }

    /// This instant minus `duration`, if it can be represented.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Self> {
        self.0.checked_sub(duration).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    #[track_caller]
    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

impl AddAssign<Duration> for Instant {
    #[track_caller]
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    #[track_caller]
    fn sub(self, duration: Duration) -> Self {
        Self(self.0 - duration)
    }
}

impl SubAssign<Duration> for Instant {
    #[track_caller]
    fn sub_assign(&mut self, duration: Duration) {
        self.0 -= duration;
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

/// The virtual time at which a wait of `timeout` from now ends, in nanoseconds.
pub(crate) fn deadline(run: &kernel::Run, timeout: Duration) -> u64 {
    let timeout = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    run.clock().saturating_add(timeout)
}

impl kernel::Run {
    /// The virtual clock of the current thread, in nanoseconds.
    pub(crate) fn clock(&self) -> u64 {
        self.state.borrow().threads[self.me()].clock
    }

    /// Reads that clock. This takes a microsecond, and twice as long each time while the thread does
    /// nothing else.
    fn read_clock(&self) -> u64 {
        let me = self.me();
        let thread = &mut self.state.borrow_mut().threads[me];
        let pace = 1_000_u64 << thread.clock_reads.min(40);
        thread.clock_reads += 1;
        thread.clock = thread.clock.saturating_add(pace);
        thread.clock
    }
}
