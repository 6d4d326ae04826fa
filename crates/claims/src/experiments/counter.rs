//! The counter from the last lesson, which two threads increment without a lock.

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use context_switch::{Pinned, Placement};

use super::claim;
use super::schedules::lost_update;
use crate::verdict::{does_not_hold, holds, too_noisy};
use crate::{Claim, Judged, Record, Unmeasured};

const SOURCE: &str = include_str!("counter.rs");

pub(super) const CLAIMS: [Claim; 1] = [claim!(54 Wrong [Squares]
    "When two threads increment a counter without a lock, the sum is almost never right."
    right_or_wrong_by_where_it_runs)];

const INCREMENTS: u32 = 100_000;
const RUNS: usize = 20;

/// Runs the same code on one CPU, where each thread runs for milliseconds before it
/// is preempted (the scheduler gives the CPU to the other thread), and on two CPUs,
/// where both threads begin together.
fn right_or_wrong_by_where_it_runs(record: &mut Record) -> Judged {
    let on_one = right_runs(Placement::OneCpu)?;
    record.fact(
        "on one CPU the sum was right",
        format!("in {on_one} of {RUNS} runs"),
    );
    let on_two = right_runs(Placement::TwoCpus).ok();
    match on_two {
        Some(on_two) => record.fact(
            "on two CPUs it was right",
            format!("in {on_two} of {RUNS} runs"),
        ),
        None => record.fact("on two CPUs", "could not be measured here"),
    }
    let found = lost_update();
    record.fact(
        "an explorer that tries many schedules",
        match &found.failure {
            Some(_) => format!("found a lost update ({})", found.coverage()),
            None => "found nothing".to_owned(),
        },
    );
    let two = match on_two {
        Some(on_two) => format!(" On two CPUs it was right in {on_two}."),
        None => String::new(),
    };
    match (on_one >= RUNS / 2, found.failure.is_some()) {
        (true, true) => does_not_hold(format!(
            "It depends on where the threads run. On one CPU, where they mostly ran one after the \
             other, the sum was right in {on_one} of {RUNS} runs.{two} The code is wrong in both \
             cases: an explorer, which tries many schedules, finds the lost update every time."
        )),
        (true, false) => does_not_hold("No schedule loses an update."),
        (false, _) if on_one == 0 && on_two.is_none_or(|on_two| on_two == 0) => {
            holds("The sum was never right.")
        }
        (false, _) => too_noisy("On one CPU the threads were interrupted too often."),
    }
}

/// Returns in how many of [`RUNS`] runs the sum was right.
fn right_runs(placement: Placement) -> Result<usize, Unmeasured> {
    let cpus = placement.cpus()?;
    let mut right = 0;
    for _ in 0..RUNS {
        right += usize::from(count(cpus)? == 2 * INCREMENTS);
    }
    Ok(right)
}

/// Two threads do `counter += 1` as the lesson means it: a load, an addition and a
/// store. Returns the sum.
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
