//! A parker: one thread sleeps until somebody wakes it, and a wake-up that comes first is kept.

use crate::TimedOut;
use crate::deadline::Deadline;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

/// Nobody sleeps, and no wake-up is kept.
const EMPTY: u32 = 0;
/// A wake-up is kept: the next `park` takes it and returns at once.
const NOTIFIED: u32 = 1;
/// The thread sleeps, or is about to.
const PARKED: u32 = 2;

/// Puts its thread to sleep. It holds one token at most: [`Unparker::unpark`] puts it there, and
/// [`park`](Self::park) waits for it and takes it.
///
/// ```
/// let parker = sync::Parker::new();
/// let unparker = parker.unparker();
/// let thread = std::thread::spawn(move || unparker.unpark());
/// parker.park(); // no matter which of the two comes first
/// thread.join().unwrap();
/// ```
///
/// Unlike [`std::thread::park`] it never returns for no reason, and nobody else uses its token.
pub struct Parker {
    state: Arc<AtomicU32>,
    /// One thread at a time may park, so this may be sent but not shared.
    not_shared: PhantomData<std::cell::Cell<()>>,
}

impl Parker {
    /// Without a token.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Arc::new(AtomicU32::new(EMPTY)),
            not_shared: PhantomData,
        }
    }

    /// What wakes this parker; there may be any number.
    #[must_use]
    pub fn unparker(&self) -> Unparker {
        Unparker {
            state: Arc::clone(&self.state),
        }
    }

    /// Waits for the token and takes it. What was done before the [`unpark`](Unparker::unpark) that
    /// put it there is visible afterwards.
    pub fn park(&self) {
        let forever = self.park_with(|state| {
            futex::wait(state, PARKED);
            Ok(())
        });
        debug_assert_eq!(forever, Ok(()));
    }

    /// [`park`](Self::park), for `timeout` at most.
    ///
    /// # Errors
    /// [`TimedOut`] if no token came in time.
    pub fn park_timeout(&self, timeout: Duration) -> Result<(), TimedOut> {
        let deadline = Deadline::after(timeout);
        self.park_with(|state| deadline.wait(state, PARKED))
    }

    fn park_with(
        &self,
        sleep: impl Fn(&AtomicU32) -> Result<(), TimedOut>,
    ) -> Result<(), TimedOut> {
        if self.take_token() {
            return Ok(());
        }
        // Fails only if the token has come in between.
        let _ = self.state.compare_exchange(EMPTY, PARKED, Relaxed, Relaxed);
        loop {
            if self.take_token() {
                return Ok(());
            }
            if sleep(&self.state).is_err() {
                // The token may have come at the last moment; it must not be left behind as PARKED.
                return match self.state.swap(EMPTY, Acquire) {
                    NOTIFIED => Ok(()),
                    _ => Err(TimedOut),
                };
            }
        }
    }

    fn take_token(&self) -> bool {
        self.state
            .compare_exchange(NOTIFIED, EMPTY, Acquire, Relaxed)
            .is_ok()
    }
}

impl Default for Parker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Parker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parker").finish_non_exhaustive()
    }
}

/// Wakes the thread of a [`Parker`].
#[derive(Clone)]
pub struct Unparker {
    state: Arc<AtomicU32>,
}

impl Unparker {
    /// Puts the token there, and wakes the thread if it sleeps. With the token there already it does
    /// nothing: two calls before a `park` wake it once.
    pub fn unpark(&self) {
        if self.state.swap(NOTIFIED, Release) == PARKED {
            futex::wake_one(&self.state);
        }
    }
}

impl fmt::Debug for Unparker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unparker").finish_non_exhaustive()
    }
}
