//! Coroutines, which switch without the kernel.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use context_switch::sampling::interleave;
use context_switch::{Between, Over, PingPong, Placement, resumes};
use coroutines::round_robin::RoundRobin;
use records::ledger::times;

use super::claim;
use super::helpers::{pipe_without_switches, switch};
use crate::verdict::{does_not_hold, holds, too_noisy};
use crate::{Claim, Judged, Record, Unmeasured};

const SOURCE: &str = include_str!("coroutines.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(66 True [Office]
        "The operating system does not schedule coroutines."
        a_million_switches_unknown_to_the_kernel),
    claim!(67 True [Office]
        "Switching between coroutines costs far less than switching between threads."
        a_resume_against_a_switch),
    claim!(70 True [Office]
        "A coroutine that never yields starves the other coroutines: they cannot run."
        heartbeats_beside_a_worker),
];

/// Makes a million round trips into a coroutine and back, and asks the kernel how
/// often it switched meanwhile.
fn a_million_switches_unknown_to_the_kernel(record: &mut Record) -> Judged {
    let trips = resumes(1_000_000)?;
    record.fact("round trips into a coroutine and back", trips.round_trips);
    record.fact(
        "voluntary switches that the kernel counted (the thread waited)",
        trips.here.voluntary,
    );
    record.fact(
        "involuntary switches (another thread needed the CPU)",
        trips.here.involuntary,
    );
    match trips.here.voluntary {
        0 => holds(
            "During a million round trips into a coroutine and back, the kernel counted no \
             voluntary switch.",
        ),
        1..1000 => too_noisy("The thread had to wait for something else meanwhile."),
        _ => does_not_hold(
            "The kernel counted at least 1000 voluntary switches during the round trips.",
        ),
    }
}

/// Compares a switch between coroutines with a switch between two threads on one CPU.
/// A round trip into a coroutine and back has two switches and nothing else. A round
/// trip between threads also has the reads and writes of a pipe, which are measured
/// without switches and taken off.
fn a_resume_against_a_switch(record: &mut Record) -> Judged {
    let mut coroutine = || Ok::<_, Unmeasured>(resumes(10_000)?.nanos());
    let mut threads = || {
        let game = PingPong::new(Between::Threads, Over::Pipe, Placement::OneCpu);
        Ok(game.run(100)?.nanos())
    };
    let mut pipe = || pipe_without_switches(100);
    let samples = interleave(41, &mut [&mut coroutine, &mut threads, &mut pipe])?;
    let [coroutine, threads, pipe] = [&samples[0], &samples[1], &samples[2]];
    record.times(&[
        ("round trip into a coroutine", coroutine),
        ("round trip between threads", threads),
        ("the pipe's part of it", pipe),
    ]);
    let (coroutine, threads) = (coroutine.map(|trip| trip / 2.0)?, switch(threads, pipe)?);
    record.times(&[
        ("a switch between coroutines", &coroutine),
        ("a switch between threads", &threads),
    ]);
    let ratio = record.ratio(
        ("a switch between threads", &threads),
        ("a switch between coroutines", &coroutine),
    )?;
    if ratio.is_above(10.0) {
        holds(format!(
            "A switch between coroutines takes {:.1} ns. A switch between two threads on one CPU \
             takes {} times as long.",
            coroutine.median(),
            times(ratio.middle)
        ))
    } else if ratio.is_below(10.0) {
        does_not_hold("A switch between threads takes less than 10 times as long.")
    } else {
        too_noisy("The times vary too much to compare. Try again when the machine is less busy.")
    }
}

/// One fiber does 34 pieces of work. Another fiber counts heartbeats until that work
/// is done.
fn heartbeats_beside_a_worker(record: &mut Record) -> Judged {
    let polite = heartbeats(true)?;
    let greedy = heartbeats(false)?;
    record.fact(
        "heartbeats beside a worker that yields after each piece",
        polite,
    );
    record.fact("heartbeats beside a worker that never yields", greedy);
    match polite >= 34 && greedy <= 1 {
        true => holds(format!(
            "Another coroutine counted {polite} heartbeats beside a worker that yields, but \
             only {greedy} beside a worker that never yields."
        )),
        false => {
            does_not_hold("Another coroutine could still run beside a worker that never yields.")
        }
    }
}

/// Returns how many heartbeats one fiber counts while the other works.
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
