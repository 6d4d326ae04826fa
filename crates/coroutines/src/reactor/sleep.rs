//! The future that waits for a time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use super::Reactor;
use crate::budget;
use crate::timers::TimerKey;

/// Ready when its deadline has come. Dropped, it takes its timer back.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Sleep {
    reactor: Reactor,
    deadline: Instant,
    /// The timer that was set by the first poll.
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

    /// When it will be ready.
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
        // The waker of the last poll counts: the future may have moved to
        // another task.
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
            drop(waker); // not in the borrow: it may own anything
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
