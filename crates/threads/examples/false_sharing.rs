//! A production failure: two threads count for themselves, each in its own counter, and slow each
//! other down, because the two counters are in one cache line.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use std::{io, thread};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const TIMES: u64 = 100_000;
const ROUNDS: usize = 31;

// ANCHOR: counters
/// Both in one cache line.
#[derive(Default)]
#[repr(align(64))]
struct Neighbors {
    mine: AtomicU64,
    yours: AtomicU64,
}

/// Two cache lines of 64 bytes, because many processors fetch lines in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Padded(AtomicU64);

#[derive(Default)]
struct Apart {
    mine: Padded,
    yours: Padded,
}
// ANCHOR_END: counters

/// Lets two threads on two CPUs increment two counters. Returns the time in nanoseconds.
fn count(counters: [&AtomicU64; 2], cpus: [usize; 2]) -> f64 {
    let start = Barrier::new(2);
    let times = threads::map(2, counters.into_iter().zip(cpus), |(counter, cpu)| {
        let mut only = CpuSet::new();
        _ = only
            .set(cpu)
            .and_then(|()| sched_setaffinity(Pid::from_raw(0), &only));
        start.wait();
        let begun = Instant::now();
        for _ in 0..TIMES {
            counter.fetch_add(1, Relaxed);
        }
        begun.elapsed().as_nanos() as f64
    });
    times[0].max(times[1])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> io::Result<()> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let cpus: Vec<usize> = (0..CpuSet::count())
        .filter(|&cpu| allowed.is_set(cpu).unwrap_or(false))
        .collect();
    let [first, second, ..] = cpus[..] else {
        println!("there is only one CPU, so nothing is shared at the same time");
        return Ok(());
    };
    let (neighbors, apart) = (Neighbors::default(), Apart::default());
    let (mut together, mut separate) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let round = |counters| {
            thread::scope(|scope| scope.spawn(|| count(counters, [first, second])).join())
        };
        together.extend(round([&neighbors.mine, &neighbors.yours]));
        separate.extend(round([&apart.mine.0, &apart.yours.0]));
    }
    let distance = |a: &AtomicU64, b: &AtomicU64| {
        std::ptr::from_ref(b)
            .addr()
            .abs_diff(std::ptr::from_ref(a).addr())
    };
    println!(
        "neighbors are {} bytes apart",
        distance(&neighbors.mine, &neighbors.yours)
    );
    println!(
        "padded counters are {} bytes apart",
        distance(&apart.mine.0, &apart.yours.0)
    );
    let ratio = median(together) / median(separate);
    println!("neighbors took {ratio:.1} times as long");
    Ok(())
}
