//! A game between a thread and a coroutine on the same thread.

use std::io;
use std::time::Instant;

use corosensei::{Coroutine, CoroutineResult};

use super::Trips;
use super::play::WARM_UP;
use crate::Counters;

/// Resumes a coroutine this many times. The coroutine suspends itself at once
/// each time. A round trip is again two hand-overs, but without a system call:
///
/// ```
/// let trips = context_switch::resumes(10_000)?;
/// assert_eq!(trips.here.voluntary, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// There is no memory for the coroutine's stack.
pub fn resumes(round_trips: u32) -> io::Result<Trips> {
    let stack = corosensei::stack::DefaultStack::new(64 * 1024)?;
    let mut coroutine = Coroutine::with_stack(stack, move |yielder, ()| {
        for _ in 0..round_trips.saturating_add(WARM_UP) {
            yielder.suspend(());
        }
    });
    for _ in 0..WARM_UP {
        coroutine.resume(());
    }
    let before = Counters::of_this_thread()?;
    let started = Instant::now();
    while let CoroutineResult::Yield(()) = coroutine.resume(()) {}
    let elapsed = started.elapsed();
    Ok(Trips {
        round_trips,
        elapsed,
        here: Counters::of_this_thread()?.since(&before),
        // The coroutine runs on this thread, so `here` has counted for both.
        there: Counters::default(),
    })
}
