//! A parker: one thread sleeps until another thread wakes it. A wake-up that comes before the sleep
//! is kept.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use crate::TimedOut;
use crate::deadline::Deadline;

/// The thread does not sleep, and no wake-up is kept.
const EMPTY: u32 = 0;
/// A wake-up is kept: the next `park` takes it and returns at once.
const NOTIFIED: u32 = 1;
/// The thread sleeps, or is about to.
const PARKED: u32 = 2;

/// Puts its thread to sleep until another thread wakes it. A parker holds at most one token:
/// [`Unparker::unpark`] puts the token there, and [`park`](Self::park) waits for it and takes it.
///
/// ```
/// let parker = sync::Parker::new();
/// let unparker = parker.unparker();
/// let thread = std::thread::spawn(move || unparker.unpark());
/// parker.park(); // no matter which of the two comes first
/// thread.join().unwrap();
/// ```
///
/// Unlike [`std::thread::park`], it never returns for no reason, and no other code uses its token.
///
/// **One thread at a time.** If two threads slept in one parker, a token would wake only one of them.
/// A thread whose time is up would even mark the parker as empty, and the other thread would sleep
/// through the next token. So a parker can be moved to another thread, but it cannot be shared with
/// one (it is [`Send`], but not [`Sync`]). The compiler refuses a second thread that parks:
///
/// ```compile_fail,E0277
/// let parker = sync::Parker::new();
/// std::thread::scope(|scope| {
///     scope.spawn(|| parker.park());
///     parker.park();
/// });
/// ```
///
/// Make a parker for each thread that sleeps. To let several threads sleep in one place, use an
/// [`EventCount`](crate::EventCount) or a [`Condvar`](crate::Condvar).
pub struct Parker {
    state: Arc<AtomicU32>,
    /// Counts as a `Cell`, which threads cannot share. The other field alone would make a parker
    /// `Sync`.
    not_shared: PhantomData<std::cell::Cell<()>>,
}

impl Parker {
    /// Makes a parker without a token.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Arc::new(AtomicU32::new(EMPTY)),
            not_shared: PhantomData,
        }
    }

    /// Makes a handle that wakes this parker's thread. There may be any number of handles.
    #[must_use]
    pub fn unparker(&self) -> Unparker {
        Unparker {
            state: Arc::clone(&self.state),
        }
    }

    /// Waits for the token and takes it. Afterwards, this thread sees everything that was done
    /// before the [`unpark`](Unparker::unpark) that put the token there.
    pub fn park(&self) {
        let forever = self.park_with(|state| {
            futex::wait(state, PARKED);
            Ok(())
        });
        debug_assert_eq!(forever, Ok(()));
    }

    /// Like [`park`](Self::park), but waits for at most `timeout`.
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
        // This fails only if the token has come in the meantime.
        let _ = self.state.compare_exchange(EMPTY, PARKED, Relaxed, Relaxed);
        loop {
            if self.take_token() {
                return Ok(());
            }
            if sleep(&self.state).is_err() {
                // The token may have come at the last moment. The swap takes it, and it does not
                // leave PARKED behind.
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
    /// Puts the token there, and wakes the thread if it sleeps. If the token is there already, this
    /// does nothing: two calls before a `park` wake the thread once.
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
