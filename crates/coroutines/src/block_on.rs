//! The smallest executor: one future, one thread.
//!
//! ```
//! use coroutines::block_on;
//!
//! assert_eq!(block_on(async { 40 + 2 }), 42);
//! ```

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::parker::Parker;

/// Polls `future` until it is ready; the thread sleeps between the polls.
///
/// Whatever the future waits for must wake it from another thread, or have done
/// so before it returned `Pending`: this one sleeps. A future that nobody wakes
/// sleeps for ever. A signal does not end the sleep. Its panic is the caller's.
#[inline]
pub fn block_on<F: Future>(future: F) -> F::Output {
    // On this stack: a future that has been polled must not move.
    let mut future = pin!(future);
    let mut output = None;
    // Fails in a destructor of another thread-local, when ours is gone.
    let _ = PLACE.try_with(|place| output = Some(place.drive(future.as_mut())));
    output.unwrap_or_else(|| Place::new().drive(future))
}

/// A wake-up is a token at the parking place of the thread that polls.
impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}

thread_local! {
    /// Kept for the thread's next `block_on`: making one costs more than polling
    /// a future that is ready.
    static PLACE: Place = Place::new();
}

struct Place {
    parker: Arc<Parker>,
    waker: Waker,
}

impl Place {
    fn new() -> Self {
        let parker = Arc::new(Parker::new());
        let waker = Waker::from(Arc::clone(&parker));
        Self { parker, waker }
    }

    #[inline]
    fn drive<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        let mut sleeper = Sleeper {
            parker: &self.parker,
            slept: false,
        };
        let mut context = Context::from_waker(&self.waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            // A wake-up that came during the poll is a token already. So is one
            // for an earlier future: then this one is polled once too often,
            // which every future must bear.
            sleeper.slept = true;
            self.parker.park();
        }
    }
}

/// A `block_on` within a `block_on` sleeps at the same place, and may take a
/// token there that was meant for the outer one. So whoever has slept leaves a
/// token when it goes: one poll too many is harmless, one too few is not.
struct Sleeper<'p> {
    parker: &'p Parker,
    slept: bool,
}

impl Drop for Sleeper<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.slept {
            self.parker.unpark();
        }
    }
}
