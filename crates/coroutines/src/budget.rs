//! Cooperative fairness: yielding, and a budget that makes a task yield.
//!
//! A task runs until it returns `Pending`; the executor never preempts it. A
//! task that computes for long must yield by itself with [`yield_now`]. A task
//! that awaits something may still never pause, if what it awaits is always
//! ready (a socket whose peer writes faster than the task reads). So our
//! [`Executor`](crate::executor::Executor) gives each poll of a task a budget
//! of [`PER_POLL`] steps. A future that *could* continue calls [`proceed`]
//! first. When the budget is used up, `proceed` returns `Pending`, and the
//! executor polls the task again later. tokio does the same and calls it
//! *coop*.
//!
//! ```
//! use coroutines::budget;
//! use coroutines::executor::Executor;
//! use std::cell::Cell;
//! use std::rc::Rc;
//!
//! let executor = Executor::new();
//! let beats = Rc::new(Cell::new(0));
//! let counted = Rc::clone(&beats);
//! executor.spawn(async move {
//!     loop {
//!         counted.set(counted.get() + 1);
//!         budget::yield_now().await;
//!     }
//! });
//! executor.block_on(async {
//!     for _ in 0..10 * budget::PER_POLL {
//!         budget::step().await; // always ready, but the other task gets turns
//!     }
//! });
//! assert!(beats.get() >= 9);
//! ```

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The number of steps that a task may do in one poll.
pub const PER_POLL: u32 = 128;

thread_local! {
    /// The steps left in this poll, or `None` if no executor counts them.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Returns a future that puts its task at the end of the queue: all other tasks
/// that are ready run first.
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// Takes one step from the budget. Returns `Pending` if the budget is used up.
/// Then the task has been woken already, and the caller should return `Pending`
/// too, without doing the step.
///
/// A future should call this when it is about to return `Ready`. Outside an
/// executor that counts steps, the result is always `Ready`.
pub fn proceed(context: &mut Context<'_>) -> Poll<()> {
    match LEFT.get() {
        Some(0) => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
        Some(left) => {
            LEFT.set(Some(left - 1));
            Poll::Ready(())
        }
        None => Poll::Ready(()),
    }
}

/// [`proceed`] for loops in `async` code: takes one step, and pauses if the
/// budget is used up.
pub async fn step() {
    poll_fn(proceed).await;
}

/// Runs `poll` with a new budget.
pub(crate) fn with_new<R>(poll: impl FnOnce() -> R) -> R {
    /// Puts the old budget back, also when `poll` panics.
    struct Restore(Option<u32>);
    impl Drop for Restore {
        fn drop(&mut self) {
            LEFT.set(self.0);
        }
    }
    let _restore = Restore(LEFT.replace(Some(PER_POLL)));
    poll()
}

/// The future of [`yield_now`]: only its first poll returns `Pending`.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        // Wake the task now: it is queued behind all tasks that are ready.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
