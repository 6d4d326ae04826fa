//! What a switch costs afterwards: the other one has used the caches.
//!
//! ```text
//!   with switches:   A works │ B works │ A works │ B works …
//!   alone:           A works, A works, …  then B works, B works, …
//! ```
//!
//! Both do the same work; the difference, for each round trip, is what two
//! switches cost, directly (registers, scheduler) and indirectly: lines and
//! address translations that the other has pushed out and that must be fetched
//! again. It is largest where one working set fits into a cache and two do not.
//! After C. Li, C. Ding, K. Shen, *Quantifying the cost of context
//! switch*, 2007.

use crate::{Between, Over, Pages, PingPong, PingPongError, Pinned, Placement};
use std::time::{Duration, Instant};

/// One measurement, in nanoseconds for a round trip: both sides' work.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Handing over after each sweep of the working set.
    pub with_switches: f64,
    /// The same work of both sides, each alone.
    pub alone: f64,
}

impl Cost {
    /// What two switches cost. A measurement can be disturbed so that it is
    /// negative; that is not hidden.
    #[must_use]
    pub fn of_two_switches(&self) -> f64 {
        self.with_switches - self.alone
    }
}

/// Measures once: two sides on one CPU, each with this many pages of its own.
///
/// ```
/// use context_switch::{Between, working_set};
/// let cost = working_set::cost(Between::Threads, 4, 200)?;
/// assert!(cost.with_switches > 0.0 && cost.alone > 0.0);
/// # Ok::<(), context_switch::PingPongError>(())
/// ```
///
/// # Errors
/// As for [`PingPong::run`].
pub fn cost(between: Between, pages: usize, round_trips: u32) -> Result<Cost, PingPongError> {
    let game = PingPong::new(between, Over::Pipe, Placement::OneCpu).touching(pages);
    let with_switches = game.run(round_trips)?.nanos();
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let both = sweep_alone(pages, round_trips)? + sweep_alone(pages, round_trips)?;
    Ok(Cost {
        with_switches,
        alone: both.as_nanos() as f64 / f64::from(round_trips.max(1)),
    })
}

/// One side's work, with nobody in between.
fn sweep_alone(pages: usize, times: u32) -> Result<Duration, PingPongError> {
    let set = Pages::private(pages)?;
    set.sweep();
    let started = Instant::now();
    if pages > 0 {
        (0..times).for_each(|_| set.sweep());
    }
    Ok(started.elapsed())
}
