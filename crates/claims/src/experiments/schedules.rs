//! Claims about every possible run: tried in every schedule, and in every
//! order that the memory model allows.

use super::claim;
use crate::verdict::{does_not_hold, holds, skipped};
use crate::{Claim, Judged, Record, Unmeasured};
use context_switch::{Pinned, Placement};
use interleave::{Exploration, Explore, FailureKind};
use std::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};
use std::thread;

const SOURCE: &str = include_str!("schedules.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(52 Wrong [Byte]
        "What one thread changes is immediately visible to all others."
        a_flag_overtakes_the_data),
    claim!(55 True [Squares]
        "Updates are lost because incrementing is not atomic."
        an_atomic_increment_loses_nothing),
    claim!(57 True [Squares]
        "Threads that wait for each other's locks deadlock."
        two_locks_in_opposite_order),
];

/// Programs as an explorer runs them: their std is the explorer's.
mod scheduled {
    use interleave::shuttled::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use interleave::shuttled::sync::{Arc, Mutex};
    use interleave::shuttled::thread;

    /// Two threads add one each, by this way of adding.
    pub(super) fn count(add: fn(&AtomicU32)) {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || add(&theirs));
        add(&counter);
        _ = thread.join();
        assert!(counter.load(SeqCst) == 2, "an update was lost");
    }

    pub(super) fn in_two_steps(counter: &AtomicU32) {
        counter.store(counter.load(SeqCst) + 1, SeqCst);
    }

    pub(super) fn in_one_step(counter: &AtomicU32) {
        counter.fetch_add(1, SeqCst);
    }

    /// Two threads, each of which takes both locks.
    pub(super) fn take_both(opposite: bool) {
        let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
        let theirs = Arc::clone(&locks);
        let order = if opposite { [1, 0] } else { [0, 1] };
        let thread = thread::spawn(move || {
            let _first = theirs[order[0]].lock();
            let _second = theirs[order[1]].lock();
        });
        {
            let _first = locks[0].lock();
            let _second = locks[1].lock();
        }
        _ = thread.join();
    }
}

/// The same for an explorer of memory orderings.
mod ordered {
    use interleave::loomed::sync::Arc;
    use interleave::loomed::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use interleave::loomed::thread;

    /// One thread writes data and then raises a flag; the other sees the flag.
    pub(super) fn pass_on(store: Ordering, load: Ordering) {
        let shared = Arc::new((AtomicU32::new(0), AtomicBool::new(false)));
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            theirs.0.store(42, Ordering::Relaxed);
            theirs.1.store(true, store);
        });
        if shared.1.load(load) {
            let data = shared.0.load(Ordering::Relaxed);
            assert!(data == 42, "the flag was seen before the data");
        }
        _ = thread.join();
    }
}

/// The steps of the programs in this file are those under test.
fn explorer() -> Explore {
    Explore::new().scenario_file("")
}

/// For a claim in another file: the increment in two steps.
pub(super) fn lost_update() -> Exploration {
    explorer().schedules_of(|| scheduled::count(scheduled::in_two_steps))
}

fn note(record: &mut Record, what: &str, found: &Exploration) -> Result<bool, Unmeasured> {
    if let Some(reason) = &found.not_judged {
        return Err(Unmeasured::Refused(format!(
            "nothing was explored: {reason}"
        )));
    }
    record.fact(
        what,
        match &found.failure {
            Some(failure) => {
                let message = failure.message.lines().next().unwrap_or_default();
                format!("{message} ({})", found.coverage())
            }
            None => format!("right in {}", found.coverage()),
        },
    );
    Ok(found.failure.is_some())
}

/// Data, then a flag: does who sees the flag see the data? By the memory model;
/// and, for a related program, on this machine.
fn a_flag_overtakes_the_data(record: &mut Record) -> Judged {
    use interleave::loomed::sync::atomic::Ordering::{Acquire, Relaxed, Release};
    let relaxed = explorer().orderings_of(|| ordered::pass_on(Relaxed, Relaxed));
    let released = explorer().orderings_of(|| ordered::pass_on(Release, Acquire));
    let relaxed = note(record, "data, then a flag, both Relaxed", &relaxed)?;
    let released = note(record, "the flag with Release and Acquire", &released)?;
    match both_missed() {
        Ok(count) => record.fact(
            "each of two CPUs writes, then reads what the other wrote: neither sees it",
            format!("{count} times of {ROUNDS}"),
        ),
        Err(_) => record.fact("on two CPUs", "not to be had here"),
    }
    match (relaxed, released) {
        (true, false) => does_not_hold(
            "a flag may be seen before the data written earlier, \
             unless Release and Acquire order them",
        ),
        (false, _) => holds("no execution shows a flag before its data"),
        (true, true) => skipped("the explorer finds fault with a correct program"),
    }
}

const ROUNDS: u32 = 20_000;

/// The store-buffer litmus: each thread's write waits in its CPU's store buffer
/// while its read goes ahead.
fn both_missed() -> Result<u32, Unmeasured> {
    let cpus = Placement::TwoCpus.cpus()?;
    let written = [AtomicU32::new(0), AtomicU32::new(0)];
    let missed = [AtomicU32::new(0), AtomicU32::new(0)];
    let arrived = AtomicU32::new(0);
    let meet = |times: u32| {
        arrived.fetch_add(1, SeqCst);
        while arrived.load(SeqCst) < 2 * times {
            std::hint::spin_loop();
        }
    };
    let play = |me: usize| {
        let pinned = Pinned::to(cpus[me]);
        let mut both = 0;
        for round in 1..=ROUNDS {
            meet(3 * round - 2);
            written[me].store(round, Relaxed);
            let seen = written[1 - me].load(Relaxed);
            missed[me].store(u32::from(seen != round), Relaxed);
            meet(3 * round - 1);
            both += missed[0].load(Relaxed) & missed[1].load(Relaxed);
            meet(3 * round);
        }
        pinned.map(|_| both)
    };
    let counts = thread::scope(|scope| {
        [0, 1]
            .map(|me| scope.spawn(move || play(me)))
            .map(thread::ScopedJoinHandle::join)
    });
    let [count, _] = counts;
    Ok(count.map_err(|_| std::io::Error::other("a thread panicked"))??)
}

/// The same program twice, but for the increment.
fn an_atomic_increment_loses_nothing(record: &mut Record) -> Judged {
    let one_step = explorer().schedules_of(|| scheduled::count(scheduled::in_one_step));
    let two_steps = note(record, "load, add, store", &lost_update())?;
    let atomic = note(record, "fetch_add, one step", &one_step)?;
    match (two_steps, atomic) {
        (true, false) => holds("only where the increment has two steps does a schedule lose one"),
        (false, _) => does_not_hold("no schedule loses an update"),
        (true, true) => does_not_hold("an atomic increment loses updates, too"),
    }
}

/// The same program twice, but for the order of the locks.
fn two_locks_in_opposite_order(record: &mut Record) -> Judged {
    let opposite = explorer().schedules_of(|| scheduled::take_both(true));
    let same = explorer().schedules_of(|| scheduled::take_both(false));
    let kind = opposite.failure.as_ref().map(|failure| failure.kind);
    note(record, "two locks, taken in opposite order", &opposite)?;
    let same = note(record, "taken in the same order", &same)?;
    match (kind, same) {
        (Some(FailureKind::Deadlock), false) => {
            holds("some schedules end in a deadlock; with one order for all, none does")
        }
        (Some(FailureKind::Deadlock), true) => holds("some schedules end in a deadlock"),
        _ => does_not_hold("no schedule ends in a deadlock"),
    }
}
