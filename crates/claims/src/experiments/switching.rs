//! What a context switch costs, and what the cost depends on.

use std::cell::RefCell;

use context_switch::sampling::{Samples, interleave};
use context_switch::{Between, Over, PingPong, Placement, working_set};
use records::ledger::{Unit, times};

use super::claim;
use super::helpers::{CLEARLY, about_the_same, pipe_without_switches, switch};
use crate::verdict::{does_not_hold, holds, holds_when, too_noisy};
use crate::{Claim, Judged, Record, Unmeasured};

const SOURCE: &str = include_str!("switching.rs");

pub(super) const CLAIMS: [Claim; 4] = [
    claim!(43 Half [Restaurant Office]
        "Communication between processes is slower than communication between threads."
        the_same_mechanism_between_both),
    claim!(63 Wrong [Office Squares]
        "Switching between threads is significantly faster than switching between processes."
        a_round_trip_between_both),
    claim!(64 True [Office]
        "Frequent context switches degrade performance."
        the_caches_after_a_switch),
    claim!(65 True []
        "For the time of a round trip, it matters more whether both sides share a CPU than \
         whether they are threads or processes."
        on_one_cpu_and_on_two),
];

/// Returns a function that plays so many round trips and returns the time of one, in
/// nanoseconds.
fn trip(
    between: Between,
    over: Over,
    placement: Placement,
    trips: u32,
) -> impl FnMut() -> Result<f64, Unmeasured> {
    move || Ok(PingPong::new(between, over, placement).run(trips)?.nanos())
}

/// Measures round trips between processes and between threads in the same rounds, in
/// nanoseconds.
fn both(over: Over, placement: Placement, trips: u32) -> Result<[Samples; 2], Unmeasured> {
    let mut processes = trip(Between::Processes, over, placement, trips);
    let mut threads = trip(Between::Threads, over, placement, trips);
    let samples = interleave(41, &mut [&mut processes, &mut threads])?;
    <[Samples; 2]>::try_from(samples)
        .map_err(|_| Unmeasured::Noisy("One of the two ways was not measured.".to_owned()))
}

/// Measures round trips over a pipe, over a futex, and over a word in memory on which
/// the waiting side spins; each between processes and between threads.
fn the_same_mechanism_between_both(record: &mut Record) -> Judged {
    let games = [
        ("a pipe", Over::Pipe, Placement::OneCpu, 100),
        ("a futex", Over::Futex, Placement::OneCpu, 100),
        ("spinning, two CPUs", Over::Spin, Placement::TwoCpus, 1000),
    ];
    let (mut ratios, mut measured) = (Vec::new(), Vec::new());
    for (name, over, placement, trips) in games {
        if placement.cpus().is_err() {
            record.fact(name, "skipped, because this program may use only one CPU");
            continue;
        }
        measured.push(name);
        let [processes, threads] = both(over, placement, trips)?;
        let names = [format!("{name}: processes"), format!("{name}: threads")];
        record.times(&[(&names[0], &processes), (&names[1], &threads)]);
        ratios.push(record.ratio((&names[0], &processes), ("threads", &threads))?);
    }
    if ratios.iter().all(about_the_same) {
        holds_when(format!(
            "the processes use a slower mechanism than the threads. Over the same mechanism ({}), a \
             round trip between processes took about as long as one between threads: the \
             difference was less than a factor of 1.5.",
            measured.join("; ")
        ))
    } else if ratios.iter().all(|ratio| ratio.is_above(CLEARLY)) {
        holds(
            "With each mechanism, a round trip between processes took more than 1.5 times as long.",
        )
    } else {
        too_noisy("The times vary too much to compare. Try again when the machine is less busy.")
    }
}

/// Compares round trips over a pipe between processes and between threads, on one
/// CPU. Each round trip needs two switches. The same reads and writes in one thread,
/// without a switch, show how much of a round trip is the pipe.
fn a_round_trip_between_both(record: &mut Record) -> Judged {
    let mut processes = trip(Between::Processes, Over::Pipe, Placement::OneCpu, 200);
    let mut threads = trip(Between::Threads, Over::Pipe, Placement::OneCpu, 200);
    let mut pipe = || pipe_without_switches(200);
    let samples = interleave(41, &mut [&mut processes, &mut threads, &mut pipe])?;
    let [processes, threads, pipe] = [&samples[0], &samples[1], &samples[2]];
    record.times(&[
        ("round trip between processes", processes),
        ("round trip between threads", threads),
        ("the pipe's part of both", pipe),
    ]);
    let (processes, threads) = (switch(processes, pipe)?, switch(threads, pipe)?);
    record.times(&[
        ("a switch between processes", &processes),
        ("a switch between threads", &threads),
    ]);
    let ratio = record.ratio(
        ("a switch between processes", &processes),
        ("between threads", &threads),
    )?;
    if ratio.is_below(CLEARLY) {
        does_not_hold(format!(
            "A switch between processes takes {} times as long as a switch between threads. It \
             changes one more register: the one that points to the page table.",
            times(ratio.middle)
        ))
    } else if ratio.is_above(CLEARLY) {
        holds(format!(
            "A switch between processes takes {} times as long as a switch between threads.",
            times(ratio.middle)
        ))
    } else {
        too_noisy("The times vary too much to compare. Try again when the machine is less busy.")
    }
}

/// Two processes take turns on one CPU, and each one walks through its own memory
/// between the switches. This is compared with the same work without switches. The
/// size of the memory grows from nothing to the size of the CPU's own cache, which
/// then has room for the memory of one process, but not of two.
fn the_caches_after_a_switch(record: &mut Record) -> Judged {
    let cache = second_level_cache();
    record.fact("the second-level cache", format!("{} KiB", cache / 1024));
    let sizes = [0, cache / 8, cache / 2, cache];
    // The time for the same work without switches, measured in the same rounds.
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
            &format!("{name}, with switches"),
            Unit::Nanoseconds,
            with_switches,
        );
        if sizes[place] > 0 {
            record.figure(&format!("{name}, without"), Unit::Nanoseconds, &alone);
            ratios.push(record.ratio(
                (&name, with_switches),
                ("the same work without switches", &alone),
            )?);
        }
    }
    // Only the two larger sizes decide. The larger the work, the better it hides the cost
    // of the two switches themselves, which is a fiftieth of the largest work.
    let [.., half, whole] = ratios.as_slice() else {
        return too_noisy("Not every size was measured.");
    };
    let dearest = if half.low > whole.low { half } else { whole };
    if dearest.is_above(MORE_THAN_SWITCHES) {
        holds(format!(
            "Work that fits into the cache takes {} times as long when two processes take turns as \
             when each works alone: after each switch the cache is full of the data of the other \
             process.",
            times(dearest.middle)
        ))
    } else if half.is_below(MORE_THAN_SWITCHES) && whole.is_below(MORE_THAN_SWITCHES) {
        does_not_hold("Work takes less than 1.15 times as long with switches as without them.")
    } else {
        too_noisy("The times vary too much to compare. Try again when the machine is less busy.")
    }
}

/// If the work takes longer by this factor, the cost of the two switches themselves
/// cannot explain it.
const MORE_THAN_SWITCHES: f64 = 1.15;

/// Returns the size of the second-level cache in bytes, or 1 MiB if the machine does
/// not tell. The result is at least 256 KiB, and at most 2 MiB, so that the
/// experiment ends in time.
fn second_level_cache() -> usize {
    let said = std::fs::read_to_string("/sys/devices/system/cpu/cpu0/cache/index2/size");
    let kibibytes = said
        .ok()
        .and_then(|text| text.trim().strip_suffix('K')?.parse().ok());
    kibibytes.unwrap_or(1024_usize).clamp(256, 2048) << 10
}

/// Measures round trips over a pipe: between two threads on one CPU, between two
/// processes on one CPU, and between two threads on two CPUs.
fn on_one_cpu_and_on_two(record: &mut Record) -> Judged {
    Placement::TwoCpus.cpus()?;
    let mut one_cpu = trip(Between::Threads, Over::Pipe, Placement::OneCpu, 100);
    let mut processes = trip(Between::Processes, Over::Pipe, Placement::OneCpu, 100);
    let mut two_cpus = trip(Between::Threads, Over::Pipe, Placement::TwoCpus, 100);
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
            "A round trip between threads takes longer on two CPUs than on one, {} times as long, \
             because the kernel must wake up a CPU each time. On one CPU, a round trip between \
             processes takes {} times as long as one between threads.",
            times(place.middle),
            times(kind.middle)
        ))
    } else if place.is_below(1.0 / CLEARLY) && kind.is_below(CLEARLY) {
        holds(format!(
            "A round trip between threads is shorter on two CPUs than on one: it takes {} times as \
             long. On one CPU, a round trip between processes takes {} times as long as one between \
             threads.",
            times(place.middle),
            times(kind.middle)
        ))
    } else if about_the_same(&place) {
        does_not_hold("A round trip took about as long on two CPUs as on one.")
    } else {
        too_noisy("The times vary too much to compare. Try again when the machine is less busy.")
    }
}
