//! The smallest executor: it runs one future on one thread.
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

use sync::{Parker, Unparker};

/// Polls `future` until it is ready. The thread sleeps between the polls.
///
/// The wake-up must come from another thread, or before the poll returns
/// `Pending`, because then this thread sleeps. If there is no wake-up, it
/// sleeps for ever. A signal does not end the sleep. If the future panics, the
/// panic reaches the caller.
#[inline]
pub fn block_on<F: Future>(future: F) -> F::Output {
    // Pinned on this stack: a future that has been polled must not move.
    let mut future = pin!(future);
    let mut output = None;
    // This fails if we run in the destructor of another thread-local variable
    // after ours has been destroyed.
    let _ = PLACE.try_with(|place| output = Some(place.drive(future.as_mut())));
    output.unwrap_or_else(|| Place::new().drive(future))
}

/// A wake-up leaves a token in the parker of the thread that polls.
struct Token(Unparker);

impl Wake for Token {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// The thread keeps it for its next `block_on`, because making one costs
    /// more than polling a future that is ready.
    static PLACE: Place = Place::new();
}

struct Place {
    parker: Parker,
    waker: Waker,
}

impl Place {
    fn new() -> Self {
        let parker = Parker::new();
        let waker = Waker::from(Arc::new(Token(parker.unparker())));
        Self { parker, waker }
    }

    #[inline]
    fn drive<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        let mut sleeper = Sleeper {
            waker: &self.waker,
            slept: false,
        };
        let mut context = Context::from_waker(&self.waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            // A wake-up that came during the poll has already left a token, so
            // `park` returns at once. The token may also be meant for an
            // earlier future. Then this future is polled once more than
            // necessary, which every future must tolerate.
            sleeper.slept = true;
            self.parker.park();
        }
    }
}

/// A nested `block_on` sleeps in the same parker as the outer one, and may take
/// a token that was meant for the outer one. So a `block_on` that has slept
/// leaves a token when it ends: an extra poll is harmless, a missing poll is
/// not.
struct Sleeper<'p> {
    waker: &'p Waker,
    slept: bool,
}

impl Drop for Sleeper<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.slept {
            self.waker.wake_by_ref();
        }
    }
}
