//! How a comparison measures: warm-up, batches, interleaved rounds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::interleave::order;
use super::{Measured, Report, Samples};

/// A batch takes at least this long, so that reading the clock twice takes less
/// than 0.5 % of it.
const BATCH: Duration = Duration::from_micros(20);

/// Each alternative runs this long before the first sample, so that caches,
/// branch predictors and the heap have reached a steady state.
const WARM_UP: Duration = Duration::from_millis(5);

/// Fewer rounds than this tell nothing, and more than [`MOST_ROUNDS`] tell
/// nothing more.
const LEAST_ROUNDS: usize = 15;
const MOST_ROUNDS: usize = 401;

/// Two or more alternatives that are measured in one run.
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
    /// Does its operation this many times, and returns how long that took.
    run: Box<dyn FnMut(u64) -> Duration + 'a>,
    batch: u64,
}

impl<'a> Comparison<'a> {
    /// Starts a comparison with its first alternative, which the verdict is
    /// about. The optimiser cannot remove the computation of the operation's
    /// result. The time includes dropping the result.
    pub fn of<T: 'a>(name: &str, operation: impl FnMut() -> T + 'a) -> Comparison<'a> {
        Comparison::of_timed(name, timed(operation))
    }

    /// Like [`of`](Comparison::of), for operations that need preparation
    /// outside of the time. `run` does its operation as many times as it is
    /// told, and returns how long that took.
    pub fn of_timed(name: &str, run: impl FnMut(u64) -> Duration + 'a) -> Comparison<'a> {
        let empty = Comparison {
            alternatives: Vec::new(),
            time: Duration::from_secs(1),
            rounds: None,
        };
        empty.against_timed(name, run)
    }

    /// Adds an alternative to measure against.
    pub fn against<T: 'a>(self, name: &str, operation: impl FnMut() -> T + 'a) -> Comparison<'a> {
        self.against_timed(name, timed(operation))
    }

    /// Adds an alternative to measure against, which measures its own time; see
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

    /// Sets about how long the whole comparison may take, 1 s by default. In
    /// any case there are at least 15 rounds and at most 401.
    pub fn time(mut self, time: Duration) -> Comparison<'a> {
        self.time = time;
        self
    }

    /// Sets exactly this many rounds, at least 1, however long they take.
    pub fn rounds(mut self, rounds: usize) -> Comparison<'a> {
        self.rounds = Some(rounds.max(1));
        self
    }

    /// Measures all alternatives. A panic in an operation reaches the caller.
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

/// Puts the loop around the operation, so that both are compiled together.
/// Calling each operation through the box would cost as much as a fast
/// operation takes.
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
    /// Warms up, finds the size of a batch, and returns how long one batch
    /// takes.
    fn prepare(&mut self) -> Duration {
        let mut spent = Duration::ZERO;
        loop {
            // Use the shorter of two: an interrupt must not make a batch look
            // long.
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

    /// Returns the nanoseconds for one operation. If the clock did not move,
    /// the batch counts as 1 ns, the least time that the clock could have
    /// shown, because a ratio needs a number above 0.
    fn sample(&mut self) -> f64 {
        let nanos = (self.run)(self.batch).as_nanos().max(1);
        nanos as f64 / self.batch as f64
    }

    /// Returns the alternative with its samples. There is always at least one
    /// round, so there are always samples.
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
    use std::cell::RefCell;

    use super::*;

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
        // The batches of the warm-up do not count as samples.
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
