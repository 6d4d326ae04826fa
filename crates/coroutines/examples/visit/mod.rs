//! A future by hand, and the bell that it waits for: what `step5_future`,
//! `step6_block_on` and `step7_executor` have in common.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

// ANCHOR: state
/// A state for each place where this code can wait, with what it keeps there:
///
/// ```text
/// async move {
///     println!("    who is there?");
///     bell.await;
///     "come in"
/// }
/// ```
pub(crate) enum Visit {
    Starts(Arc<Bell>),
    Waits(Arc<Bell>),
    Ended,
}

impl Future for Visit {
    type Output = &'static str;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<&'static str> {
        loop {
            match &*self {
                Visit::Starts(bell) => {
                    println!("    who is there?");
                    *self = Visit::Waits(Arc::clone(bell));
                }
                Visit::Waits(bell) => {
                    if !bell.has_rung(context) {
                        return Poll::Pending;
                    }
                    *self = Visit::Ended;
                    return Poll::Ready("come in");
                }
                Visit::Ended => panic!("a future was polled after its end"),
            }
        }
    }
}
// ANCHOR_END: state

// ANCHOR: bell
/// Rings once, on any thread.
#[derive(Default)]
pub(crate) struct Bell(Mutex<State>);

#[derive(Default)]
struct State {
    rung: bool,
    waker: Option<Waker>,
}

impl Bell {
    pub(crate) fn ring(&self) {
        let mut state = self.lock();
        state.rung = true;
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    /// Returns whether it has rung. If not, its ring will call the waker.
    pub(crate) fn has_rung(&self, context: &Context<'_>) -> bool {
        let mut state = self.lock();
        if !state.rung {
            state.waker = Some(context.waker().clone());
        }
        state.rung
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
// ANCHOR_END: bell
