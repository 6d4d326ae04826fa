//! The cost of creating a process or a thread.

use std::{fs, io};

use context_switch::creation::Kind;
use context_switch::sampling::interleave;
use context_switch::{Pages, Pinned, Placement};
use memmap2::{Advice, MmapMut};
use records::ledger::times;

use super::claim;
use super::helpers::{CLEARLY, about_the_same};
use crate::verdict::{does_not_hold, holds, holds_when, too_noisy};
use crate::{Claim, Judged, Record, Unmeasured};

const SOURCE: &str = include_str!("creation.rs");

pub(super) const CLAIMS: [Claim; 2] = [
    claim!(20 Half [Restaurant Byte Office Squares]
        "Processes are expensive to create, and threads are cheap to create."
        a_borrowed_address_space_is_cheap),
    claim!(21 Wrong [Restaurant Squares]
        "Creating a process takes the same time, however much memory its parent uses."
        forking_grows_with_the_memory_in_use),
];

/// Returns the time to create one and to wait for its end, in nanoseconds: the
/// mean of `count` of them.
fn cost(kind: Kind, count: u32) -> Result<f64, Unmeasured> {
    let mut nanos = 0.0;
    for _ in 0..count {
        nanos += kind.make_and_wait()?.as_nanos() as f64;
    }
    Ok(nanos / f64::from(count))
}

/// Measures a fork, which copies the page tables of the parent, a vfork, which
/// borrows them, and a thread. All run on one CPU, and their creator is a process
/// that uses 16 MiB.
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
            "the process is a copy of its parent. With 16 MiB in use, a fork took {} times as long \
             as creating a thread; a vfork, which copies nothing, took {} times as long.",
            times(copied.middle),
            times(borrowed.middle)
        ))
    } else if copied.is_above(CLEARLY) && about_the_same(&saved) {
        holds("Creating a process took longer than creating a thread, with fork and with vfork.")
    } else if copied.is_below(CLEARLY) {
        does_not_hold("A fork took less than 1.5 times as long as creating a thread.")
    } else {
        too_noisy("The times vary too much to compare. Try again when the machine is less busy.")
    }
}

/// Measures the same three in a process that uses 4 MiB, and in a process that
/// uses 96 MiB.
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
            // Only the second one counts, because the first one has to warm up.
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
            "A fork took {} times as long with 96 MiB in use as with 4 MiB, because it copies the \
             page tables: an entry for each page of 4 KiB.{} A vfork or a thread took less than \
             twice as long.",
            times(fork.middle),
            with_huge_pages(record)?
        ))
    } else if fork.is_below(CLEARLY) {
        holds("A fork took less than 1.5 times as long with 96 MiB in use as with 4 MiB.")
    } else {
        too_noisy("The times vary too much to compare. Try again when the machine is less busy.")
    }
}

/// Compares a fork with 96 MiB in huge pages, of 2 MiB each, with a fork with 4 MiB in
/// pages of 4 KiB. Returns a sentence for the reason, or nothing if the kernel gives no
/// huge pages.
fn with_huge_pages(record: &mut Record) -> Result<String, Unmeasured> {
    let before = in_huge_pages()?;
    let granted = {
        let _in_use = huge_pages(96)?;
        in_huge_pages()?.saturating_sub(before)
    };
    record.fact(
        "of 96 MiB, the kernel put into huge pages",
        format!("{} MiB", granted / 1024),
    );
    if granted < 90 * 1024 {
        return Ok(String::new());
    }
    let mut small = || {
        let in_use = Pages::private_bytes(4 << 20)?;
        in_use.touch();
        cost(Kind::Fork, 1)?;
        cost(Kind::Fork, 1)
    };
    let mut huge = || {
        let _in_use = huge_pages(96)?;
        cost(Kind::Fork, 1)?;
        cost(Kind::Fork, 1)
    };
    let samples = interleave::<Unmeasured>(11, &mut [&mut small, &mut huge])?;
    record.times(&[("fork, 96 MiB in huge pages", &samples[1])]);
    let ratio = record.ratio(
        ("fork with 96 MiB in huge pages", &samples[1]),
        ("fork with 4 MiB", &samples[0]),
    )?;
    Ok(format!(
        " With the 96 MiB in huge pages of 2 MiB, it took {} times as long as with 4 MiB.",
        times(ratio.middle)
    ))
}

/// Memory that is in use, in huge pages if the kernel gives them.
fn huge_pages(mebibytes: usize) -> io::Result<MmapMut> {
    let mut memory = MmapMut::map_anon(mebibytes << 20)?;
    // A kernel without huge pages refuses the advice.
    _ = memory.advise(Advice::HugePage);
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    Ok(memory)
}

/// How many KiB of this process's memory are in huge pages (man 5 proc_pid_smaps).
fn in_huge_pages() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("AnonHugePages:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    Ok(number.unwrap_or(0))
}
