//! What each side does. The code is the same for processes and threads.

use std::io;
use std::time::{Duration, Instant};

use super::ends::Ends;
use crate::Counters;
use crate::working_set::WorkingSet;

/// Round trips before the first one that is timed.
pub(super) const WARM_UP: u32 = 32;

/// The settings of a game.
#[derive(Clone, Copy, Debug)]
pub(super) struct Game {
    /// Where this side and the other side run.
    pub(super) cpus: [usize; 2],
    /// How many round trips are timed.
    pub(super) round_trips: u32,
    /// How many bytes of its own each side reads at its turn.
    pub(super) bytes: usize,
}

/// The side that begins and measures the time. It is never inlined: if the
/// compiler compiled the same function in two ways, one of them could be
/// faster.
#[inline(never)]
pub(super) fn here<E: Ends>(
    game: Game,
    mut end: E,
    is_there: impl Fn() -> bool,
) -> io::Result<(Duration, Counters)> {
    let set = WorkingSet::of(game.bytes)?;
    let mut trip = || {
        set.walk();
        end.send()?;
        end.wait(&is_there)
    };
    for _ in 0..WARM_UP {
        trip()?;
    }
    let before = Counters::of_this_thread()?;
    let started = Instant::now();
    for _ in 0..game.round_trips {
        trip()?;
    }
    let elapsed = started.elapsed();
    Ok((elapsed, Counters::of_this_thread()?.since(&before)))
}

/// The side that answers.
#[inline(never)]
pub(super) fn there<E: Ends>(
    game: Game,
    mut end: E,
    is_there: impl Fn() -> bool,
) -> io::Result<Counters> {
    let set = WorkingSet::of(game.bytes)?;
    let mut answer = || {
        end.wait(&is_there)?;
        set.walk();
        end.send()
    };
    for _ in 0..WARM_UP {
        answer()?;
    }
    let before = Counters::of_this_thread()?;
    for _ in 0..game.round_trips {
        answer()?;
    }
    Ok(Counters::of_this_thread()?.since(&before))
}
