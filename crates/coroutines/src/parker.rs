//! A parking place for one thread: it sleeps until another one wakes it.
//!
//! A wake-up that comes before the sleep is not lost: it is kept as a *token*,
//! and the next [`park`](Parker::park) takes it in place of sleeping. Two tokens
//! are one. This is what everything that waits is built on here: a future's
//! waker says no more than "look again".
//!
//! ```text
//!                    park()                       unpark()
//!   EMPTY ────────────────────────▶ PARKED ──────────────────┐
//!     ▲ └──── unpark() ────▶ NOTIFIED                        │
//!     │                         │ park() takes the token     │
//!     └─────────────────────────┴────────────────────────────┘
//! ```
//!
//! The plain std is enough: an atomic for the usual case, in which somebody is
//! early and nobody sleeps, and a mutex with a condition variable for the sleep.
//! (This file is also compiled against modelled versions of both, and every
//! schedule of it explored; see `tests/parker.rs`.)

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// No token, nobody sleeps.
const EMPTY: u8 = 0;
/// The thread sleeps, or is about to.
const PARKED: u8 = 1;
/// A token is there.
const NOTIFIED: u8 = 2;

/// A place where one thread sleeps until another wakes it.
#[derive(Debug, Default)]
pub struct Parker {
    state: AtomicU8,
    /// Held by the sleeper from its announcement to its sleep.
    lock: Mutex<()>,
    wake: Condvar,
}

impl Parker {
    /// A place without a token.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the token, or else sleeps until there is one. All that the waker
    /// did before it called [`unpark`](Self::unpark) is seen after this.
    ///
    /// A signal does not end it. One thread at a time: it is the place of one
    /// executor. (A second sleeper might sleep for ever.)
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
            // A token came between the look and the lock.
            self.state.swap(EMPTY, Ordering::Acquire);
            return;
        }
        // The condition variable may wake for no reason: the state decides.
        while !self.take_token() {
            guard = self
                .wake
                .wait(guard)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Leaves a token, and wakes the sleeper if there is one. Any thread may
    /// call it, as often as it likes.
    #[inline]
    pub fn unpark(&self) {
        if self.state.swap(NOTIFIED, Ordering::Release) == PARKED {
            self.end_sleep();
        }
    }

    fn end_sleep(&self) {
        // Between its announcement and its sleep the sleeper holds the lock. If
        // we did not wait for it here, our notification could come before its
        // sleep and wake nobody.
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
