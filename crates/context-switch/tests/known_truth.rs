//! The statistics against machines whose truth is known: simulated, with fixed
//! seeds, so that every run of these tests sees the same measurements.

use std::cell::RefCell;
use std::time::Duration;

use context_switch::sampling::{Comparison, Random, Report, Samples, Verdict, ratio};

/// A machine on which time is made up. An operation costs what it costs, times
/// noise, times what the machine does to all that runs on it at that moment.
struct Machine {
    random: Random,
    /// How many batches have run.
    clock: u32,
    drift: fn(u32) -> f64,
}

impl Machine {
    fn new(seed: u64, drift: fn(u32) -> f64) -> RefCell<Machine> {
        let random = Random::new(seed);
        RefCell::new(Machine {
            random,
            clock: 0,
            drift,
        })
    }

    fn run(&mut self, nanos: f64, times: u64) -> Duration {
        self.clock += 1;
        // The sum of three dice is nearly normal: 4 % to either side, mostly.
        let dice: f64 = (0..3).map(|_| self.random.fraction() - 0.5).sum();
        let noise = 1.0 + 0.08 * dice;
        // One batch in twenty meets an interrupt.
        let interrupt = if self.random.below(20) == 0 { 8.0 } else { 1.0 };
        let took = nanos * times as f64 * noise * interrupt * (self.drift)(self.clock);
        Duration::from_nanos(took as u64)
    }
}

fn steady(_: u32) -> f64 {
    1.0
}

/// From cold to hot: three times as slow at the end.
fn slower_and_slower(clock: u32) -> f64 {
    1.0 + f64::from(clock) / 100.0
}

/// Half of the time somebody else's program runs, too.
fn a_neighbour(clock: u32) -> f64 {
    if (clock / 30).is_multiple_of(2) {
        1.0
    } else {
        1.9
    }
}

const DRIFTS: [fn(u32) -> f64; 3] = [steady, slower_and_slower, a_neighbour];

fn compare(seed: u64, drift: fn(u32) -> f64, left: f64, right: f64) -> Report {
    let machine = Machine::new(seed, drift);
    Comparison::of_timed("left", |times| machine.borrow_mut().run(left, times))
        .against_timed("right", |times| machine.borrow_mut().run(right, times))
        .rounds(51)
        .run()
}

fn verdicts(drift: fn(u32) -> f64, left: f64, right: f64) -> [usize; 3] {
    let mut counts = [0; 3];
    for seed in 0..60 {
        counts[match compare(seed, drift, left, right).verdict() {
            Verdict::Faster => 0,
            Verdict::Slower => 1,
            Verdict::NotDistinguishable => 2,
        }] += 1;
    }
    counts
}

#[test]
fn equals_are_rarely_told_apart_on_any_machine() {
    for drift in DRIFTS {
        let [faster, slower, _] = verdicts(drift, 500.0, 500.0);
        assert!(
            faster + slower <= 6,
            "{faster} faster and {slower} slower of 60"
        );
    }
}

#[test]
fn ten_percent_are_found_on_any_machine_and_never_the_wrong_way_round() {
    for drift in DRIFTS {
        let [faster, slower, _] = verdicts(drift, 500.0, 550.0);
        assert!(
            faster >= 57 && slower == 0,
            "{faster} faster, {slower} slower of 60"
        );
        let [faster, slower, _] = verdicts(drift, 550.0, 500.0);
        assert!(
            slower >= 57 && faster == 0,
            "{faster} faster, {slower} slower of 60"
        );
    }
}

#[test]
fn the_interval_contains_the_truth_nine_times_of_ten_or_more() {
    for drift in DRIFTS {
        let contains = |seed: &u64| {
            let speed = compare(*seed, drift, 1000.0, 2500.0)
                .speed_against(1)
                .unwrap();
            speed.low <= 2.5 && 2.5 <= speed.high
        };
        let hits = (0..60).filter(contains).count();
        assert!(hits >= 54, "{hits} of 60");
    }
}

#[test]
fn all_of_one_and_then_all_of_the_other_blames_the_drift_on_the_second() {
    let machine = Machine::new(3, slower_and_slower);
    let first_all_then = |nanos| {
        let one = || machine.borrow_mut().run(nanos, 100).as_nanos() as f64;
        Samples::new((0..51).map(|_| one()).collect()).unwrap()
    };
    let (left, right) = (first_all_then(500.0), first_all_then(500.0));
    let wrong = ratio(&left, &right).unwrap();
    assert!(wrong.is_below(0.9), "equals, but {wrong:?}");
    // Interleaved on the same machine:
    let right = compare(3, slower_and_slower, 500.0, 500.0)
        .speed_against(1)
        .unwrap();
    assert!(right.is_within(0.95, 1.05), "equals, and {right:?}");
}

#[test]
fn the_same_measurements_give_the_same_interval() {
    let speed = || compare(1, steady, 100.0, 101.0).speed_against(1);
    assert_eq!(speed(), speed());
}

/// Recorded on a two-CPU virtual machine while another program compiled:
/// nanoseconds of `getppid` and of two of them, a pair a round.
const RECORDED: &str = include_str!("recorded/one_call_and_two.txt");

#[test]
fn two_calls_recorded_on_a_busy_machine_take_longer_than_one() {
    let numbers = |column: usize| {
        let lines = RECORDED.lines().filter(|line| !line.starts_with('#'));
        let values = lines.map(|line| line.split(' ').nth(column).unwrap().parse().unwrap());
        Samples::new(values.collect()).unwrap()
    };
    let ratio = ratio(&numbers(1), &numbers(0)).unwrap();
    assert!(ratio.is_within(1.5, 2.5), "{ratio:?}");
}
