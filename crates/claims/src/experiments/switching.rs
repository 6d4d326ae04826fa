//! What a switch costs, and what decides it.

use super::claim;
use super::helpers::{CLEARLY, about_the_same};
use crate::record::times;
use crate::verdict::{does_not_hold, holds, holds_when, too_noisy};
use crate::{Claim, Judged, Record, Unit, Unmeasured};
use context_switch::sampling::{Samples, interleave};
use context_switch::{Between, Over, PingPong, Placement, working_set};
use std::cell::RefCell;

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
    if ratios.iter().all(about_the_same) {
        holds_when(
            "a slower mechanism is chosen for it: over the same pipe, futex or shared word \
             processes are as fast as threads",
        )
    } else if ratios.iter().all(|ratio| ratio.is_above(CLEARLY)) {
        holds("every mechanism was clearly slower between processes")
    } else {
        too_noisy("the times scatter too much to compare")
    }
}

/// Two switches of threads, two switches of processes, on one CPU.
fn a_round_trip_between_both(record: &mut Record) -> Judged {
    let [processes, threads] = both(Over::Pipe, Placement::OneCpu, 200)?;
    record.times(&[("processes", &processes), ("threads", &threads)]);
    let ratio = record.ratio(("processes", &processes), ("threads", &threads))?;
    if ratio.is_below(CLEARLY) {
        does_not_hold(format!(
            "a switch between processes takes {} times one between threads: \
             the page table is one more register",
            times(ratio.middle)
        ))
    } else if ratio.is_above(CLEARLY) {
        holds(format!(
            "a switch between processes takes {} times one between threads",
            times(ratio.middle)
        ))
    } else {
        too_noisy("the times scatter too much to compare")
    }
}

/// Two processes that use memory between switches, against the same work
/// without switches: from nothing up to as much as one processor's own cache
/// holds, where one finds room and two do not.
fn the_caches_after_a_switch(record: &mut Record) -> Judged {
    let cache = second_level_cache();
    record.fact("the second-level cache", format!("{} KiB", cache / 1024));
    let sizes = [0, cache / 8, cache / 2, cache];
    // What the work takes alone, measured in the same rounds.
    let alone: [RefCell<Vec<f64>>; 4] = Default::default();
    let with_switches = |place: usize| {
        let (bytes, alone) = (sizes[place], &alone[place]);
        move || {
            let cost = working_set::cost(Between::Processes, bytes, 40)?;
            alone.borrow_mut().push(cost.alone);
            Ok::<_, Unmeasured>(cost.with_switches)
        }
    };
    let [mut none, mut few, mut some, mut many] = [0, 1, 2, 3].map(with_switches);
    let samples = interleave(21, &mut [&mut none, &mut few, &mut some, &mut many])?;
    let mut ratios = Vec::new();
    for (place, with_switches) in samples.iter().enumerate() {
        let alone = Samples::new(alone[place].take())?;
        let name = format!("{} KiB each", sizes[place] / 1024);
        record.figure(
            &format!("{name}, in turns"),
            Unit::Nanoseconds,
            with_switches,
        );
        if sizes[place] > 0 {
            record.figure(&format!("{name}, alone"), Unit::Nanoseconds, &alone);
            ratios.push(record.ratio((&name, with_switches), ("the same work alone", &alone))?);
        }
    }
    // The largest work hides best what two bare switches cost: a fiftieth of it.
    let [.., half, whole] = ratios.as_slice() else {
        return too_noisy("not every size was measured");
    };
    let dearest = if half.low > whole.low { half } else { whole };
    if dearest.is_above(MORE_THAN_SWITCHES) {
        holds(format!(
            "work that fits into the cache takes {} times as long in turns with another's: \
             after each switch the cache is full of the other's",
            times(dearest.middle)
        ))
    } else if half.is_below(MORE_THAN_SWITCHES) && whole.is_below(MORE_THAN_SWITCHES) {
        does_not_hold("work takes as long in turns with another's as alone")
    } else {
        too_noisy("the times scatter too much to compare")
    }
}

/// Work that much longer is more than two bare switches explain.
const MORE_THAN_SWITCHES: f64 = 1.15;

/// Bytes; 1 MiB where the machine does not say, and at most 2 MiB, so that the
/// experiment ends in time.
fn second_level_cache() -> usize {
    let said = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size");
    let kibibytes = said
        .ok()
        .and_then(|text| text.trim().strip_suffix('K')?.parse().ok());
    kibibytes.unwrap_or(1024_usize).clamp(256, 2048) << 10
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
    if place.is_above(CLEARLY) && kind.is_below(CLEARLY) {
        holds(format!(
            "two CPUs instead of one change a round trip {} times (a CPU must be woken for \
             each), processes instead of threads {} times",
            times(place.middle),
            times(kind.middle)
        ))
    } else if place.is_below(1.0 / CLEARLY) && kind.is_below(CLEARLY) {
        holds(format!(
            "on two CPUs a round trip takes {} times what it takes on one",
            times(place.middle)
        ))
    } else if about_the_same(&place) {
        does_not_hold("it made no difference where they ran")
    } else {
        too_noisy("the times scatter too much to compare")
    }
}
