//! What making a process or a thread costs.

use super::claim;
use super::helpers::{CLEARLY, about_the_same};
use crate::record::times;
use crate::verdict::{does_not_hold, holds, holds_when, too_noisy};
use crate::{Claim, Judged, Record, Unmeasured};
use context_switch::creation::Kind;
use context_switch::sampling::interleave;
use context_switch::{Pages, Pinned, Placement};

const SOURCE: &str = include_str!("creation.rs");

pub(super) const CLAIMS: [Claim; 2] = [
    claim!(20 Half [Restaurant Byte Office Squares]
        "Processes are expensive to create, threads are cheap."
        a_borrowed_address_space_is_cheap),
    claim!(21 Wrong [Restaurant Squares]
        "Creating a process has a price, whatever the program that creates it."
        forking_grows_with_the_memory_in_use),
];

/// Nanoseconds for one, the mean of a few.
fn cost(kind: Kind, count: u32) -> Result<f64, Unmeasured> {
    let mut nanos = 0.0;
    for _ in 0..count {
        nanos += kind.make_and_wait()?.as_nanos() as f64;
    }
    Ok(nanos / f64::from(count))
}

/// A process that copies its maker's page tables, one that borrows them, and a
/// thread; all on one CPU, and made by a process that uses 16 MiB.
fn a_borrowed_address_space_is_cheap(record: &mut Record) -> Judged {
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let in_use = Pages::private_bytes(16 << 20)?;
    in_use.touch();
    let mut fork = || cost(Kind::Fork, 1);
    let mut vfork = || cost(Kind::Vfork, 4);
    let mut thread = || cost(Kind::Thread, 4);
    let samples = interleave::<Unmeasured>(61, &mut [&mut fork, &mut vfork, &mut thread])?;
    let [fork, vfork, thread] = [&samples[0], &samples[1], &samples[2]];
    record.times(&[("fork", fork), ("vfork", vfork), ("a thread", thread)]);
    let copied = record.ratio(("fork", fork), ("a thread", thread))?;
    let borrowed = record.ratio(("vfork", vfork), ("a thread", thread))?;
    let saved = record.ratio(("fork", fork), ("vfork", vfork))?;
    if copied.is_above(CLEARLY) && saved.is_above(CLEARLY) {
        holds_when(format!(
            "the process is a copy of its maker: with 16 MiB in use fork takes {} times a thread, \
             but vfork, which copies nothing, {} times",
            times(copied.middle),
            times(borrowed.middle)
        ))
    } else if copied.is_above(CLEARLY) && about_the_same(&saved) {
        holds("a process costs more than a thread, copied or not")
    } else if copied.is_below(CLEARLY) {
        does_not_hold("a fork costs no more than a thread")
    } else {
        too_noisy("the times scatter too much to compare")
    }
}

/// The same three, made by a process that uses 4 MiB, and by one that uses 96.
fn forking_grows_with_the_memory_in_use(record: &mut Record) -> Judged {
    const KINDS: [(Kind, &str); 3] = [
        (Kind::Fork, "fork"),
        (Kind::Vfork, "vfork"),
        (Kind::Thread, "a thread"),
    ];
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let measure = |kind, mebibytes: usize| {
        move || {
            let in_use = Pages::private_bytes(mebibytes << 20)?;
            in_use.touch();
            // The first finds all new; it warms up for the second.
            cost(kind, 1)?;
            cost(kind, 1)
        }
    };
    let mut all = Vec::new();
    for (kind, name) in KINDS {
        let (mut small, mut large) = (measure(kind, 4), measure(kind, 96));
        let samples = interleave::<Unmeasured>(11, &mut [&mut small, &mut large])?;
        record.times(&[
            (&format!("{name}, 4 MiB in use"), &samples[0]),
            (&format!("{name}, 96 MiB in use"), &samples[1]),
        ]);
        let names = (format!("{name} with 96 MiB"), format!("{name} with 4 MiB"));
        all.push(record.ratio((&names.0, &samples[1]), (&names.1, &samples[0]))?);
    }
    let [fork, vfork, thread] = [&all[0], &all[1], &all[2]];
    if fork.is_above(3.0) && vfork.is_below(2.0) && thread.is_below(2.0) {
        does_not_hold(format!(
            "fork took {} times as long with 96 MiB in use as with 4; \
             vfork and threads did not care",
            times(fork.middle)
        ))
    } else if fork.is_below(CLEARLY) {
        holds("fork took as long whatever memory was in use")
    } else {
        too_noisy("the times scatter too much to compare")
    }
}
