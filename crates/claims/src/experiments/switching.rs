//! What a switch costs, and what decides it.

use super::claim;
use super::helpers::{CLEARLY, about_the_same};
use crate::record::times;
use crate::verdict::{does_not_hold, holds, holds_when, too_noisy};
use crate::{Claim, Judged, Record, Unit, Unmeasured};
use context_switch::sampling::{Samples, interleave, median_of};
use context_switch::{Between, Over, PingPong, Placement, working_set};

const SOURCE: &str = include_str!("switching.rs");

pub(super) const CLAIMS: [Claim; 4] = [
    claim!(43 Half [Restaurant Office]
        "Communication between processes is slower than between threads."
        the_same_mechanism_between_both),
    claim!(63 Wrong [Office Squares]
        "Switching between threads is significantly faster than between processes."
        a_round_trip_between_both),
    claim!(64 True [Office]
        "Frequent context switches degrade performance."
        the_caches_after_a_switch),
    claim!(65 True []
        "Where the two sides run matters more than whether they are threads or processes."
        on_one_cpu_and_on_two),
];

/// Nanoseconds for a round trip between processes and between threads, in the
/// same rounds.
fn both(over: Over, placement: Placement, trips: u32) -> Result<[Samples; 2], Unmeasured> {
    let trip = |between| {
        move || {
            let trips = PingPong::new(between, over, placement).run(trips)?;
            Ok::<_, Unmeasured>(trips.nanos())
        }
    };
    let (mut processes, mut threads) = (trip(Between::Processes), trip(Between::Threads));
    let samples = interleave(41, &mut [&mut processes, &mut threads])?;
    <[Samples; 2]>::try_from(samples)
        .map_err(|_| Unmeasured::Noisy("a side was not measured".to_owned()))
}

/// A pipe, a futex and a spun-on word, each between processes and threads.
fn the_same_mechanism_between_both(record: &mut Record) -> Judged {
    let games = [
        ("a pipe", Over::Pipe, Placement::OneCpu, 100),
        ("a futex", Over::Futex, Placement::OneCpu, 100),
        ("spinning, two CPUs", Over::Spin, Placement::TwoCpus, 1000),
    ];
    let mut ratios = Vec::new();
    for (name, over, placement, trips) in games {
        if placement.cpus().is_err() {
            record.fact(name, "skipped: there is one CPU");
            continue;
        }
        let [processes, threads] = both(over, placement, trips)?;
        let names = [format!("{name}: processes"), format!("{name}: threads")];
        record.times(&[(&names[0], &processes), (&names[1], &threads)]);
        ratios.push(record.ratio((&names[0], &processes), ("threads", &threads))?);
    }
    match () {
        () if ratios.iter().all(about_the_same) => holds_when(
            "a slower mechanism is chosen for it: over the same pipe, futex or shared word \
             processes are as fast as threads",
        ),
        () if ratios.iter().all(|ratio| ratio.is_above(CLEARLY)) => {
            holds("every mechanism was clearly slower between processes")
        }
        () => too_noisy("the times scatter too much to compare"),
    }
}

/// Two switches of threads, two switches of processes, on one CPU.
fn a_round_trip_between_both(record: &mut Record) -> Judged {
    let [processes, threads] = both(Over::Pipe, Placement::OneCpu, 200)?;
    record.times(&[("processes", &processes), ("threads", &threads)]);
    let ratio = record.ratio(("processes", &processes), ("threads", &threads))?;
    match () {
        () if ratio.is_below(CLEARLY) => does_not_hold(format!(
            "a switch between processes takes {} times one between threads: \
             the page table is one more register",
            times(ratio.middle)
        )),
        () if ratio.is_above(CLEARLY) => holds(format!(
            "a switch between processes takes {} times one between threads",
            times(ratio.middle)
        )),
        () => too_noisy("the times scatter too much to compare"),
    }
}

/// Two processes that use memory between switches, against the same work
/// without switches.
fn the_caches_after_a_switch(record: &mut Record) -> Judged {
    const KIBIBYTES: [usize; 4] = [0, 128, 512, 1024];
    let cost = |kibibytes: usize| {
        move || {
            let cost = working_set::cost(Between::Processes, kibibytes << 10, 40)?;
            Ok::<_, Unmeasured>(cost.of_two_switches())
        }
    };
    let [mut none, mut few, mut some, mut many] = KIBIBYTES.map(cost);
    let samples = interleave(21, &mut [&mut none, &mut few, &mut some, &mut many])?;
    for (kibibytes, samples) in KIBIBYTES.iter().zip(&samples) {
        let name = format!("two switches, {kibibytes} KiB each");
        record.figure(&name, Unit::Nanoseconds, samples);
    }
    let costs: Vec<_> = samples.iter().map(median_of).collect();
    let bare = costs[0];
    let dearest = costs
        .iter()
        .copied()
        .max_by(|a, b| a.low.total_cmp(&b.low))
        .unwrap_or(bare);
    match () {
        () if dearest.is_above(2.0 * bare.high) => holds(format!(
            "two switches cost {} times as much where both sides use their memory: \
             each finds the caches full of the other's",
            times(dearest.middle / bare.middle)
        )),
        () if costs.iter().all(|cost| cost.is_below(CLEARLY * bare.low)) => {
            does_not_hold("two switches cost the same whatever memory the two sides use")
        }
        () => too_noisy("the times scatter too much to compare"),
    }
}

/// The same pipe and the same two threads, on one CPU and on two.
fn on_one_cpu_and_on_two(record: &mut Record) -> Judged {
    Placement::TwoCpus.cpus()?;
    let trip = |between, placement, trips| {
        move || {
            let trips = PingPong::new(between, Over::Pipe, placement).run(trips)?;
            Ok::<_, Unmeasured>(trips.nanos())
        }
    };
    let mut one_cpu = trip(Between::Threads, Placement::OneCpu, 100);
    let mut processes = trip(Between::Processes, Placement::OneCpu, 100);
    let mut two_cpus = trip(Between::Threads, Placement::TwoCpus, 100);
    let samples = interleave(31, &mut [&mut one_cpu, &mut processes, &mut two_cpus])?;
    let [one_cpu, processes, two_cpus] = [&samples[0], &samples[1], &samples[2]];
    record.times(&[
        ("threads, one CPU", one_cpu),
        ("processes, one CPU", processes),
        ("threads, two CPUs", two_cpus),
    ]);
    let place = record.ratio(("two CPUs", two_cpus), ("one CPU", one_cpu))?;
    let kind = record.ratio(("processes", processes), ("threads", one_cpu))?;
    match () {
        () if place.is_above(CLEARLY) && kind.is_below(CLEARLY) => holds(format!(
            "two CPUs instead of one change a round trip {} times (a CPU must be woken for \
             each), processes instead of threads {} times",
            times(place.middle),
            times(kind.middle)
        )),
        () if place.is_below(1.0 / CLEARLY) && kind.is_below(CLEARLY) => holds(format!(
            "on two CPUs a round trip takes {} times what it takes on one",
            times(place.middle)
        )),
        () if about_the_same(&place) => does_not_hold("it made no difference where they ran"),
        () => too_noisy("the times scatter too much to compare"),
    }
}
