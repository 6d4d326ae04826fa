//! The measuring: warm-up, batches, interleaved rounds.

use super::interleave::order;
use super::{Measured, Report, Samples};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A batch takes at least this long, so that reading the clock twice is less
/// than half a hundredth of it.
const BATCH: Duration = Duration::from_micros(20);

/// Each alternative runs this long before the first sample: caches, branch
/// predictors and the heap are then as they will be.
const WARM_UP: Duration = Duration::from_millis(5);

/// Fewer rounds than this say nothing; more than [`MOST_ROUNDS`] say no more.
const LEAST_ROUNDS: usize = 15;
const MOST_ROUNDS: usize = 401;

/// Two or more alternatives to be measured in one run.
///
/// ```
/// use context_switch::sampling::Comparison;
/// use std::time::Duration;
///
/// let text = "to be or not to be ".repeat(50);
/// let report = Comparison::of("words", || text.split(' ').count())
///     .against("bytes", || text.bytes().filter(|&byte| byte == b' ').count())
///     .time(Duration::from_millis(20))
///     .run();
/// assert_eq!(report.measured().len(), 2);
/// ```
#[must_use = "nothing is measured before `run`"]
pub struct Comparison<'a> {
    alternatives: Vec<Alternative<'a>>,
    time: Duration,
    rounds: Option<usize>,
}

struct Alternative<'a> {
    name: String,
    /// Does its operation this many times, and says how long they took.
    run: Box<dyn FnMut(u64) -> Duration + 'a>,
    batch: u64,
}

impl<'a> Comparison<'a> {
    /// The first alternative: the one that the verdict is about. What the
    /// operation returns is computed, not optimised away; dropping it is part
    /// of the time.
    pub fn of<T: 'a>(name: &str, operation: impl FnMut() -> T + 'a) -> Comparison<'a> {
        Comparison::of_timed(name, timed(operation))
    }

    /// The same for operations that need something prepared outside of the
    /// time: `run` does its operation as often as it is told, and says how
    /// long that took.
    pub fn of_timed(name: &str, run: impl FnMut(u64) -> Duration + 'a) -> Comparison<'a> {
        let empty = Comparison {
            alternatives: Vec::new(),
            time: Duration::from_secs(1),
            rounds: None,
        };
        empty.against_timed(name, run)
    }

    /// One more alternative to measure against.
    pub fn against<T: 'a>(self, name: &str, operation: impl FnMut() -> T + 'a) -> Comparison<'a> {
        self.against_timed(name, timed(operation))
    }

    /// One more alternative to measure against, which takes its own time; see
    /// [`of_timed`](Comparison::of_timed).
    pub fn against_timed(
        mut self,
        name: &str,
        run: impl FnMut(u64) -> Duration + 'a,
    ) -> Comparison<'a> {
        self.alternatives.push(Alternative {
            name: name.to_owned(),
            run: Box::new(run),
            batch: 1,
        });
        self
    }

    /// About how long it all may take; 1 s unless said otherwise. There are at
    /// least 15 rounds in any case, and at most 401.
    pub fn time(mut self, time: Duration) -> Comparison<'a> {
        self.time = time;
        self
    }

    /// Exactly this many rounds, at least 1, whatever time they take.
    pub fn rounds(mut self, rounds: usize) -> Comparison<'a> {
        self.rounds = Some(rounds.max(1));
        self
    }

    /// Measures. A panic in an operation goes on to the caller.
    #[must_use]
    pub fn run(mut self) -> Report {
        let round: Duration = self.alternatives.iter_mut().map(Alternative::prepare).sum();
        let fitting = self.time.as_nanos() / round.as_nanos().max(1);
        let fitting = usize::try_from(fitting).unwrap_or(MOST_ROUNDS);
        let rounds = self
            .rounds
            .unwrap_or(fitting.clamp(LEAST_ROUNDS, MOST_ROUNDS));

        let mut nanos = vec![Vec::with_capacity(rounds); self.alternatives.len()];
        for round in 0..rounds {
            for index in order(round, self.alternatives.len()) {
                nanos[index].push(self.alternatives[index].sample());
            }
        }
        let measured = self.alternatives.into_iter().zip(nanos);
        Report::new(measured.filter_map(Alternative::into_measured).collect())
    }
}

/// The loop is compiled together with the operation: calling it through the
/// box would cost as much as a fast operation takes.
fn timed<T>(mut operation: impl FnMut() -> T) -> impl FnMut(u64) -> Duration {
    move |times| {
        let started = Instant::now();
        for _ in 0..times {
            black_box(operation());
        }
        started.elapsed()
    }
}

impl Alternative<'_> {
    /// Warms up, finds the size of a batch, and says how long one takes.
    fn prepare(&mut self) -> Duration {
        let mut spent = Duration::ZERO;
        loop {
            // The shorter of two: an interrupt must not make a batch look long.
            let [first, second] = [(self.run)(self.batch), (self.run)(self.batch)];
            let took = first.min(second);
            spent += first + second;
            let largest = self.batch >= 1 << 30;
            if took < BATCH && !largest {
                self.batch *= 2;
            } else if spent >= WARM_UP || largest {
                return took;
            }
        }
    }

    /// Nanoseconds for one operation. A clock that stood still gets the least
    /// time that it could have shown: a ratio needs more than nothing.
    fn sample(&mut self) -> f64 {
        let nanos = (self.run)(self.batch).as_nanos().max(1);
        nanos as f64 / self.batch as f64
    }

    /// There is always at least one round, so there are always samples.
    fn into_measured((alternative, nanos): (Self, Vec<f64>)) -> Option<Measured> {
        Some(Measured {
            name: alternative.name,
            batch: alternative.batch,
            nanos: Samples::new(nanos).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn short_operations_are_timed_in_batches_and_long_ones_alone() {
        let lengths = RefCell::new(Vec::new());
        let report = Comparison::of_timed("short", |times| {
            lengths.borrow_mut().push(times);
            Duration::from_nanos(100 * times)
        })
        .against_timed("long", |times| Duration::from_micros(30 * times))
        .rounds(20)
        .run();
        let [short, long] = report.measured() else {
            panic!("two were measured")
        };
        assert_eq!((short.batch, long.batch), (256, 1));
        assert_eq!(
            (short.nanos.median(), long.nanos.median()),
            (100.0, 30_000.0)
        );
        assert_eq!(short.nanos.values().len(), 20);
        // The warm-up's batches are no samples.
        assert!(lengths.borrow().len() > 20);
    }

    #[test]
    fn a_clock_that_stands_still_ends_in_a_report_all_the_same() {
        let report = Comparison::of_timed("nothing", |_| Duration::ZERO)
            .against_timed("nothing either", |_| Duration::ZERO)
            .rounds(1)
            .run();
        assert!(report.measured().iter().all(|one| one.nanos.median() > 0.0));
    }

    #[test]
    fn a_panic_in_an_operation_reaches_the_caller() {
        let measured = std::panic::catch_unwind(|| {
            let broken = Comparison::of("broken", || std::panic::resume_unwind(Box::new("broken")));
            broken.run()
        });
        assert_eq!(measured.unwrap_err().downcast_ref(), Some(&"broken"));
    }
}
