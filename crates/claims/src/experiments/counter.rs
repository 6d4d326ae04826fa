//! The counter of the last lesson.

use super::claim;
use super::schedules::lost_update;
use crate::verdict::{does_not_hold, holds, too_noisy};
use crate::{Claim, Judged, Record, Unmeasured};
use context_switch::{Pinned, Placement};
use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

const SOURCE: &str = include_str!("counter.rs");

pub(super) const CLAIMS: [Claim; 1] = [claim!(54 Wrong [Squares]
    "Two threads that increment a counter without a lock almost never give the right sum."
    right_or_wrong_by_where_it_runs)];

const INCREMENTS: u32 = 100_000;
const RUNS: usize = 20;

/// The same code on one CPU, where the threads take turns of milliseconds, and
/// on two, where they begin together.
fn right_or_wrong_by_where_it_runs(record: &mut Record) -> Judged {
    let on_one = right_runs(Placement::OneCpu)?;
    record.fact(
        "on one CPU the sum was right",
        format!("{on_one} times of {RUNS}"),
    );
    match right_runs(Placement::TwoCpus) {
        Ok(on_two) => record.fact("on two CPUs", format!("{on_two} times of {RUNS}")),
        Err(_) => record.fact("on two CPUs", "not to be had here"),
    }
    let found = lost_update();
    record.fact(
        "an explorer that tries the schedules",
        match &found.failure {
            Some(_) => format!("found a lost update ({})", found.coverage()),
            None => "found nothing".to_owned(),
        },
    );
    match (on_one >= RUNS / 2, found.failure.is_some()) {
        (true, true) => does_not_hold(format!(
            "it was right {on_one} times of {RUNS} where the threads ran one after the other; \
             right by luck is still wrong, and only an explorer finds it every time"
        )),
        (true, false) => does_not_hold("no schedule loses an update"),
        (false, _) if on_one == 0 => holds("it was never right"),
        (false, _) => too_noisy("the threads were interrupted all the time"),
    }
}

fn right_runs(placement: Placement) -> Result<usize, Unmeasured> {
    let cpus = placement.cpus()?;
    let mut right = 0;
    for _ in 0..RUNS {
        right += usize::from(count(cpus)? == 2 * INCREMENTS);
    }
    Ok(right)
}

/// `counter += 1` as the lesson means it: a load, an addition and a store.
fn count(cpus: [usize; 2]) -> Result<u32, Unmeasured> {
    let (counter, ready) = (AtomicU32::new(0), AtomicU32::new(0));
    let increment = |cpu: usize| {
        let pinned = Pinned::to(cpu);
        ready.fetch_add(1, Relaxed);
        while ready.load(Relaxed) < 2 {
            thread::yield_now();
        }
        for _ in 0..INCREMENTS {
            counter.store(black_box(counter.load(Relaxed)) + 1, Relaxed);
        }
        pinned.map(drop)
    };
    thread::scope(|scope| {
        let threads = cpus.map(|cpu| scope.spawn(move || increment(cpu)));
        for thread in threads {
            thread
                .join()
                .map_err(|_| io::Error::other("a thread panicked"))??;
        }
        Ok(counter.load(Relaxed))
    })
}
