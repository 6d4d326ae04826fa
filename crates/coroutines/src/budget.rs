//! Being fair by one's own choice: yielding, and a budget that forces it.
//!
//! A task runs until it returns `Pending`; nobody takes the processor away from
//! it. One that computes for long must yield by itself: [`yield_now`]. And one
//! that awaits may still never pause, if whatever it awaits is always ready (a
//! socket whose peer writes faster than we read). So each poll of a task by our
//! [`Executor`](crate::executor::Executor) has a budget of [`PER_POLL`] steps:
//! whoever *could* go on asks [`proceed`] first, and is told to come again later
//! when the budget is used up. tokio does the same and calls it *coop*.
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
//!         budget::step().await; // always ready, and yet the other has its turns
//!     }
//! });
//! assert!(beats.get() >= 9);
//! ```

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How many steps a task may do in one poll.
pub const PER_POLL: u32 = 128;

thread_local! {
    /// What is left in this poll; none outside of an executor that counts.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Goes to the end of the queue: all other tasks that are ready run first.
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// Takes one step from the budget. `Pending` when it is used up: the task is
/// woken already, and should return `Pending` too, without having done the step.
///
/// To be called by whatever is about to say `Ready`. Outside of an executor that
/// counts it is always `Ready`.
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

/// [`proceed`], for loops in `async` code: one step, and a pause when it is time.
pub async fn step() {
    poll_fn(proceed).await;
}

/// Runs `poll` with a new budget.
pub(crate) fn with_new<R>(poll: impl FnOnce() -> R) -> R {
    /// Puts the old budget back, also after a panic.
    struct Restore(Option<u32>);
    impl Drop for Restore {
        fn drop(&mut self) {
            LEFT.set(self.0);
        }
    }
    let _restore = Restore(LEFT.replace(Some(PER_POLL)));
    poll()
}

/// The future of [`yield_now`]: pending once.
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
        // Woken at once, so queued behind all that are ready now.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
