//! What a switch costs afterwards, because the other side has used the caches.
//!
//! ```text
//!   with switches:   A works │ B works │ A works │ B works …
//!   alone:           A works, A works, …  then B works, B works, …
//! ```
//!
//! Both runs do the same work. The difference between them, for each round
//! trip, is what two switches cost. Part of it is direct (registers, the
//! scheduler). Part of it is indirect: the other side has evicted cache lines
//! and address translations, which must be fetched again. The difference is
//! largest where one working set fits into a cache and two do not. After C. Li,
//! C. Ding, K. Shen, *Quantifying the cost of context switch*, 2007.

use std::hint::black_box;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::memory::LINE;
use crate::{Between, Over, Pages, PingPong, PingPongError, Pinned, Placement};

/// One measurement, in nanoseconds for a round trip, which includes the work of
/// both sides.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// The time when each side hands over after each walk through its working
    /// set.
    pub with_switches: f64,
    /// The time for the same work when each side does it alone.
    pub alone: f64,
}

impl Cost {
    /// Returns what two switches cost, in nanoseconds. A disturbed measurement
    /// can be negative; this function does not hide that.
    #[must_use]
    pub fn of_two_switches(&self) -> f64 {
        self.with_switches - self.alone
    }
}

/// Measures once, with two sides on one CPU. Each side uses this many bytes of
/// its own, rounded down to a power of two.
///
/// ```
/// use context_switch::{Between, working_set};
/// let cost = working_set::cost(Between::Threads, 16 << 10, 200)?;
/// assert!(cost.with_switches > 0.0 && cost.alone > 0.0);
/// # Ok::<(), context_switch::PingPongError>(())
/// ```
///
/// # Errors
/// As for [`PingPong::run`].
pub fn cost(between: Between, bytes: usize, round_trips: u32) -> Result<Cost, PingPongError> {
    let game = PingPong::new(between, Over::Pipe, Placement::OneCpu).using(bytes);
    let with_switches = game.run(round_trips)?.nanos();
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let both = work_alone(bytes, round_trips)? + work_alone(bytes, round_trips)?;
    Ok(Cost {
        with_switches,
        alone: both.as_nanos() as f64 / f64::from(round_trips.max(1)),
    })
}

/// Measures one side's work, without the other side in between.
fn work_alone(bytes: usize, times: u32) -> io::Result<Duration> {
    let set = WorkingSet::of(bytes)?;
    set.walk();
    let started = Instant::now();
    (0..times).for_each(|_| set.walk());
    Ok(started.elapsed())
}

/// Pages in which every cache line contains the number of the next line, in one
/// cycle. A processor cannot fetch a line before it has read the line that
/// names it, so it cannot hide how long each fetch takes.
pub(crate) struct WorkingSet {
    pages: Option<Pages>,
    lines: u32,
}

impl WorkingSet {
    /// Makes the pages. This neither uses the heap nor locks, so a forked child
    /// may call it.
    pub(crate) fn of(bytes: usize) -> io::Result<WorkingSet> {
        let Some(power) = (bytes / LINE).checked_ilog2() else {
            let (pages, lines) = (None, 0);
            return Ok(WorkingSet { pages, lines });
        };
        let lines = 1_u32.checked_shl(power).ok_or(io::ErrorKind::OutOfMemory)?;
        let pages = Pages::private_bytes(lines as usize * LINE)?;
        for line in 0..lines {
            let next = successor(line) % lines;
            pages.line(line as usize).store(next, Relaxed);
        }
        let pages = Some(pages);
        Ok(WorkingSet { pages, lines })
    }

    /// Reads every line once.
    pub(crate) fn walk(&self) {
        let Some(pages) = &self.pages else { return };
        let mut line = 0;
        for _ in 0..self.lines {
            line = pages.line(line as usize).load(Relaxed);
        }
        black_box(line);
    }
}

/// Returns the line that comes after this one. Modulo a power of two, this
/// visits every number once before it comes back (D. Knuth, *The Art of
/// Computer Programming*, 3.2.1.2, theorem A), in an order that a processor
/// would not guess.
fn successor(line: u32) -> u32 {
    line.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_reads_every_line_once_and_ends_where_it_began() {
        for (kibibytes, lines) in [(1, 16), (4, 64), (7, 64), (256, 4096)] {
            let set = WorkingSet::of(kibibytes << 10).unwrap();
            assert_eq!(set.lines, lines);
            let pages = set.pages.as_ref().unwrap();
            let mut seen = vec![false; lines as usize];
            let mut line = 0;
            for _ in 0..lines {
                assert!(
                    !std::mem::replace(&mut seen[line], true),
                    "line {line} twice"
                );
                line = pages.line(line).load(Relaxed) as usize;
            }
            assert_eq!(line, 0);
        }
    }

    #[test]
    fn less_than_a_line_is_no_work() {
        for bytes in [0, LINE - 1] {
            let set = WorkingSet::of(bytes).unwrap();
            assert!(set.pages.is_none());
            set.walk();
        }
    }
}
