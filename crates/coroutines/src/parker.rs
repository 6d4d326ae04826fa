//! A parker: one thread sleeps in it until another thread wakes it.
//!
//! A wake-up that comes before the sleep is not lost. It is kept as a *token*,
//! and the next [`park`](Parker::park) takes the token instead of sleeping. A
//! parker holds at most one token, so two wake-ups before a sleep count as one.
//! That is enough for the executors of this crate: a future's waker only tells
//! them to poll again.
//!
//! ```text
//!                    park()                       unpark()
//!   EMPTY ────────────────────────▶ PARKED ──────────────────┐
//!     ▲ └──── unpark() ────▶ NOTIFIED                        │
//!     │                         │ park() takes the token     │
//!     └─────────────────────────┴────────────────────────────┘
//! ```
//!
//! The parker needs only the standard library. An atomic handles the usual
//! case, in which the wake-up comes first and no thread sleeps. A mutex and a
//! condition variable handle the sleep. (The tests also compile this file
//! against modelled versions of both and explore every schedule of it; see
//! `tests/parker.rs`.)

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// There is no token, and no thread sleeps.
const EMPTY: u8 = 0;
/// The thread sleeps, or is about to.
const PARKED: u8 = 1;
/// There is a token.
const NOTIFIED: u8 = 2;

/// A place where one thread sleeps until another thread wakes it.
#[derive(Debug, Default)]
pub struct Parker {
    state: AtomicU8,
    /// The parking thread holds it from before it sets `PARKED` until it sleeps.
    lock: Mutex<()>,
    wake: Condvar,
}

impl Parker {
    /// Makes a parker without a token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the token if there is one; otherwise sleeps until there is one.
    /// Everything that the waking thread did before it called
    /// [`unpark`](Self::unpark) happens before the return of this call.
    ///
    /// A signal does not end the sleep. Only one thread may park at a time,
    /// because a parker belongs to one executor. (A second thread might sleep
    /// for ever.)
    #[inline]
    pub fn park(&self) {
        if !self.take_token() {
            self.sleep();
        }
    }

    fn sleep(&self) {
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let announced =
            self.state
                .compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Relaxed);
        if announced.is_err() {
            // A token came after `park` had looked and before we had the lock.
            self.state.swap(EMPTY, Ordering::Acquire);
            return;
        }
        // The condition variable may wake spuriously, so the state decides.
        while !self.take_token() {
            guard = self
                .wake
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Leaves a token, and wakes the sleeping thread if there is one. Any
    /// thread may call it, any number of times.
    #[inline]
    pub fn unpark(&self) {
        if self.state.swap(NOTIFIED, Ordering::Release) == PARKED {
            self.end_sleep();
        }
    }

    fn end_sleep(&self) {
        // The parking thread holds the lock from before it sets PARKED until it
        // sleeps. If we did not wait for the lock here, we could notify before
        // that thread sleeps, and the notification would wake no thread.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
    }

    #[inline]
    fn take_token(&self) -> bool {
        self.state
            .compare_exchange(NOTIFIED, EMPTY, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }
}
