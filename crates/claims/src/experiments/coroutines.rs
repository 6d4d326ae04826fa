//! Coroutines: switches of which the kernel knows nothing.

use super::claim;
use crate::record::times;
use crate::verdict::{does_not_hold, holds, too_noisy};
use crate::{Claim, Judged, Record, Unmeasured};
use context_switch::sampling::interleave;
use context_switch::{Between, Over, PingPong, Placement, resumes};
use coroutines::round_robin::RoundRobin;
use std::cell::Cell;
use std::io;
use std::rc::Rc;

const SOURCE: &str = include_str!("coroutines.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(66 True [Office]
        "Coroutines are not scheduled by the operating system."
        a_million_switches_unknown_to_the_kernel),
    claim!(67 True [Office]
        "Coroutines switch at ultra-low cost."
        a_resume_against_a_switch),
    claim!(70 True [Office]
        "A coroutine that does not yield starves the others."
        heartbeats_beside_a_worker),
];

/// A million round trips into a coroutine and back; the kernel counts its own.
fn a_million_switches_unknown_to_the_kernel(record: &mut Record) -> Judged {
    let trips = resumes(1_000_000)?;
    record.fact("round trips into a coroutine and back", trips.round_trips);
    record.fact(
        "voluntary switches that the kernel counted",
        trips.here.voluntary,
    );
    record.fact(
        "involuntary ones, for other programs",
        trips.here.involuntary,
    );
    match trips.here.voluntary {
        0 => holds("of a million round trips the kernel saw none"),
        1..1000 => too_noisy("the thread had to wait for something else meanwhile"),
        _ => does_not_hold("the kernel was asked to switch"),
    }
}

/// A round trip into a coroutine, and one between two threads on one CPU.
fn a_resume_against_a_switch(record: &mut Record) -> Judged {
    let mut coroutine = || Ok::<_, Unmeasured>(resumes(10_000)?.nanos());
    let mut threads = || {
        let game = PingPong::new(Between::Threads, Over::Pipe, Placement::OneCpu);
        Ok(game.run(100)?.nanos())
    };
    let samples = interleave(41, &mut [&mut coroutine, &mut threads])?;
    let [coroutine, threads] = [&samples[0], &samples[1]];
    record.times(&[("a coroutine", coroutine), ("two threads", threads)]);
    let ratio = record.ratio(("threads", threads), ("a coroutine", coroutine))?;
    if ratio.is_above(10.0) {
        holds(format!(
            "a round trip into a coroutine takes {:.1} ns; between threads {} times that",
            coroutine.median(),
            times(ratio.middle)
        ))
    } else if ratio.is_below(10.0) {
        does_not_hold("threads switch nearly as fast")
    } else {
        too_noisy("the times scatter too much to compare")
    }
}

/// A fiber does 34 pieces of work, and another one beats until that is done.
fn heartbeats_beside_a_worker(record: &mut Record) -> Judged {
    let polite = heartbeats(true)?;
    let greedy = heartbeats(false)?;
    record.fact(
        "heartbeats beside a worker that yields after each piece",
        polite,
    );
    record.fact("beside one that never yields", greedy);
    match polite >= 34 && greedy <= 1 {
        true => holds(format!(
            "{polite} heartbeats beside a worker that yields, {greedy} beside one that does not"
        )),
        false => does_not_hold("the heart went on beating beside a worker that never yields"),
    }
}

fn heartbeats(yields: bool) -> io::Result<u32> {
    let (beats, done) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let mut fibers = RoundRobin::new();
    let (count, is_done) = (Rc::clone(&beats), Rc::clone(&done));
    let heart = fibers.spawn(move |turn| {
        while !is_done.get() {
            count.set(count.get() + 1);
            turn.yield_now();
        }
    });
    let worker = fibers.spawn(move |turn| {
        for _piece in 0..34 {
            if yields {
                turn.yield_now();
            }
        }
        done.set(true);
    });
    for spawned in [heart, worker] {
        spawned.map_err(io::Error::other)?;
    }
    fibers.run().map_err(io::Error::other)?;
    Ok(beats.get())
}
