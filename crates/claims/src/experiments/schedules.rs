//! Claims about every possible run. An explorer tries small programs in every
//! schedule (the order in which the threads take their steps), or in every
//! execution that the memory model allows.

use std::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};
use std::thread;

use context_switch::{Pinned, Placement};
use interleave::{Exploration, Explore, FailureKind};

use super::claim;
use crate::verdict::{does_not_hold, holds, skipped};
use crate::{Claim, Judged, Record, Unmeasured};

const SOURCE: &str = include_str!("schedules.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(52 Wrong [Byte]
        "When one thread changes a shared value, all other threads see the change immediately."
        a_flag_overtakes_the_data),
    claim!(55 True [Squares]
        "Threads lose updates of a shared counter because an increment is not atomic."
        an_atomic_increment_loses_nothing),
    claim!(57 True [Squares]
        "Threads that wait for each other's locks deadlock: none of them can go on."
        two_locks_in_opposite_order),
];

/// The programs for the explorer of schedules. They use its version of std.
mod scheduled {
    use interleave::std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use interleave::std::sync::{Arc, Mutex};
    use interleave::std::thread;

    /// Two threads each add one to a counter, with the function `add`.
    pub(super) fn count(add: fn(&AtomicU32)) {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || add(&theirs));
        add(&counter);
        _ = thread.join();
        assert!(counter.load(SeqCst) == 2, "an update was lost");
    }

    /// Adds one with a load and a store.
    pub(super) fn in_two_steps(counter: &AtomicU32) {
        counter.store(counter.load(SeqCst) + 1, SeqCst);
    }

    /// Adds one in one atomic step.
    pub(super) fn in_one_step(counter: &AtomicU32) {
        counter.fetch_add(1, SeqCst);
    }

    /// Two threads each take both locks, in the same order or in opposite orders.
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

/// The program for the explorer of memory orderings. It uses that explorer's version
/// of std.
mod ordered {
    use interleave::std::sync::Arc;
    use interleave::std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use interleave::std::thread;

    /// One thread writes data and then sets a flag. If the other thread sees the flag,
    /// it must also see the data.
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

/// Returns an explorer that counts the steps of the programs in this file as steps
/// of the code under test.
fn explorer() -> Explore {
    Explore::new().scenario_file("")
}

/// Explores the increment in two steps. Another file needs it for its claim.
pub(super) fn lost_update() -> Exploration {
    explorer().of(|| scheduled::count(scheduled::in_two_steps))
}

/// Writes down what the explorer found. Returns whether it found a failure.
fn note(record: &mut Record, what: &str, found: &Exploration) -> Result<bool, Unmeasured> {
    if let Some(reason) = &found.not_judged {
        return Err(Unmeasured::Refused(format!(
            "The explorer could not explore anything: {reason}"
        )));
    }
    record.fact(
        what,
        match &found.failure {
            Some(failure) => {
                let message = failure.message.lines().next().unwrap_or_default();
                format!("{message} ({})", found.coverage())
            }
            None => format!("no failure in {}", found.coverage()),
        },
    );
    Ok(found.failure.is_some())
}

/// One thread writes data and then sets a flag. Does a thread that sees the flag also
/// see the data? An explorer answers this for the memory model. Then a related
/// program runs on this machine.
fn a_flag_overtakes_the_data(record: &mut Record) -> Judged {
    use interleave::std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
    let relaxed = explorer().of(|| ordered::pass_on(Relaxed, Relaxed));
    let released = explorer().of(|| ordered::pass_on(Release, Acquire));
    let relaxed = note(record, "data and then a flag, both with Relaxed", &relaxed)?;
    let released = note(
        record,
        "the same, but the flag with Release and Acquire",
        &released,
    )?;
    match both_missed() {
        Ok(count) => record.fact(
            "rounds in which two CPUs each wrote and then read, and neither saw the other's write",
            format!("{count} of {ROUNDS}"),
        ),
        Err(_) => record.fact("on two CPUs", "could not be measured here"),
    }
    match (relaxed, released) {
        (true, false) => does_not_hold(
            "With Relaxed operations, a thread can see a flag and still not see the data that was \
             written before the flag. Release and Acquire prevent this: with them the explorer \
             found no such execution.",
        ),
        (false, _) => holds("No execution shows the flag without the data."),
        (true, true) => skipped(
            "The explorer found a failure in a correct program, so its answer cannot be used.",
        ),
    }
}

const ROUNDS: u32 = 20_000;

/// The store-buffer litmus test: the write of each thread waits in the store buffer
/// of its CPU while the read of the same thread goes ahead. Returns in how many
/// rounds neither thread saw the other's write.
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

/// Explores the same program twice: with an increment in two steps, and with an
/// atomic increment.
fn an_atomic_increment_loses_nothing(record: &mut Record) -> Judged {
    let one_step = explorer().of(|| scheduled::count(scheduled::in_one_step));
    let two_steps = note(
        record,
        "an increment that loads, adds and stores",
        &lost_update(),
    )?;
    let atomic = note(
        record,
        "an increment with fetch_add, in one step",
        &one_step,
    )?;
    match (two_steps, atomic) {
        (true, false) => holds(
            "If the increment is a load and a store, the explorer finds a schedule that loses an \
             update. If it is one atomic step (fetch_add), no schedule loses one.",
        ),
        (false, _) => does_not_hold("No schedule loses an update."),
        (true, true) => does_not_hold("An atomic increment loses updates too."),
    }
}

/// Explores the same program twice: with locks that the threads take in opposite
/// orders, and with locks that both take in the same order.
fn two_locks_in_opposite_order(record: &mut Record) -> Judged {
    let opposite = explorer().of(|| scheduled::take_both(true));
    let same = explorer().of(|| scheduled::take_both(false));
    let kind = opposite.failure.as_ref().map(|failure| failure.kind);
    note(record, "two locks, taken in opposite orders", &opposite)?;
    let same = note(record, "two locks, taken in the same order", &same)?;
    match (kind, same) {
        (Some(FailureKind::Deadlock), false) => holds(
            "If two threads take two locks in opposite orders, some schedules end in a \
             deadlock. If both threads take them in the same order, no schedule does.",
        ),
        (Some(FailureKind::Deadlock), true) => holds("Some schedules end in a deadlock."),
        _ => does_not_hold("No schedule ends in a deadlock."),
    }
}
