//! The future that waits for a deadline.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::Reactor;
use crate::budget;
use crate::timers::TimerKey;

/// A future that is ready when its deadline has come. Dropping it removes its
/// timer from the reactor.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Sleep {
    reactor: Reactor,
    deadline: Instant,
    /// The timer that the first poll set.
    timer: Option<TimerKey>,
}

impl Sleep {
    pub(super) fn new(reactor: Reactor, deadline: Instant) -> Self {
        Self {
            reactor,
            deadline,
            timer: None,
        }
    }

    /// Returns the time at which the future becomes ready.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.deadline {
            return budget::proceed(context);
        }
        let deadline = self.deadline;
        let timer = self.timer;
        let mut timers = self.reactor.inner.timers.borrow_mut();
        // Only the waker of the last poll counts, because the future may have
        // moved to another task.
        let key = match timer.and_then(|key| timers.get_mut(key).map(|waker| (key, waker))) {
            Some((key, waker)) => {
                waker.clone_from(context.waker());
                key
            }
            None => timers.insert(deadline, context.waker().clone()),
        };
        drop(timers);
        self.timer = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            let waker = self.reactor.inner.timers.borrow_mut().remove(timer);
            drop(waker); // after the borrow: this may run any destructor
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
