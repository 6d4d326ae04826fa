//! The smallest executor: one future, one thread.
//!
//! ```
//! use coroutines::block_on;
//!
//! assert_eq!(block_on(async { 40 + 2 }), 42);
//! ```

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use crate::parker::Parker;

/// A wake-up is a token at the parking place of the thread that polls.
impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.unpark();
    }
}

/// Polls `future` until it is ready; the thread sleeps between the polls.
///
/// Whatever the future waits for must wake it from another thread, or have done
/// so before it returned `Pending`: this one sleeps. A future that nobody wakes
/// sleeps for ever. Its panic is the caller's.
pub fn block_on<F: Future>(future: F) -> F::Output {
    // On this stack: a future that has been polled must not move.
    let mut future = pin!(future);
    let parker = Arc::new(Parker::new());
    let waker = Waker::from(Arc::clone(&parker));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        // A wake-up that came during the poll is a token already.
        parker.park();
    }
}
