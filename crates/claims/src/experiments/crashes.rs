//! Who goes down with whom.

use super::claim;
use super::helpers::end_of_a_child;
use crate::verdict::{does_not_hold, holds, holds_when};
use crate::{Claim, Judged, Record};
use context_switch::Pages;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::signal::{SigHandler, Signal, signal};
use processes::proc::{State, stat};
use processes::{Ending, fork};
use std::hint::black_box;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

const SOURCE: &str = include_str!("crashes.rs");

pub(super) const CLAIMS: [Claim; 2] = [
    claim!(12 Half [Office Restaurant Squares]
        "A crash in one process does not affect the others."
        what_a_crashed_child_leaves_behind),
    claim!(30 Half [Restaurant Office]
        "A crash in one thread can end the whole process."
        four_ways_for_a_thread_to_fail),
];

/// A child dies in the middle of everything: with a lock, with half an update,
/// and as the reader of a pipe.
fn what_a_crashed_child_leaves_behind(record: &mut Record) -> Judged {
    let shared = Pages::shared(1)?;
    let (lock, left, right) = (shared.line(0), shared.line(1), shared.line(2));
    let (reader, mut writer) = io::pipe()?;
    let mut child = fork(|| {
        lock.store(1, Relaxed);
        left.store(7, Relaxed);
        // Next it would have updated `right` and released the lock.
        crash();
        0
    })?;
    let pid = child.pid();
    // Ended, but not waited for: its number and its ending are kept for us.
    while stat(pid)?.state != State::Zombie {
        thread::yield_now();
    }
    record.fact("until it is waited for, the child is", "a zombie");
    let ending = child.wait()?;
    record.fact("the child", ending);
    record.fact("the parent", "lives on");
    record.fact("the lock in shared memory", held(lock.load(Relaxed)));
    let halves = (left.load(Relaxed), right.load(Relaxed));
    record.fact(
        "two numbers that should be equal",
        format!("{} and {}", halves.0, halves.1),
    );
    drop(reader);
    let writing = end_of_a_child(|| {
        // SAFETY: the default action, which no code of ours runs.
        let reset = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
        _ = reset.map(|_| writer.write_all(b"is anybody there?"));
    })?;
    record.fact("who writes to a pipe whose last reader is gone", writing);
    if ending.signal() != Some(libc::SIGSEGV) {
        return does_not_hold(format!("the child did not crash: it {ending}"));
    }
    match lock.load(Relaxed) == 1 && halves.0 != halves.1 && writing.signal() == Some(libc::SIGPIPE)
    {
        true => holds_when(
            "they share nothing: a lock stays held, shared data half written, \
             a writer dies of SIGPIPE, and a zombie waits",
        ),
        false => holds("nothing of what was shared showed the crash"),
    }
}

fn held(word: u32) -> &'static str {
    if word == 1 {
        "is still held"
    } else {
        "is free"
    }
}

/// Reads where nothing may be read.
fn crash() {
    let page = NonZeroUsize::MIN.saturating_add(4095);
    // SAFETY: a new mapping where the kernel likes disturbs nothing.
    let mapped = unsafe { mmap_anonymous(None, page, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE) };
    if let Ok(forbidden) = mapped {
        // SAFETY: none is needed: the kernel ends this process for it.
        black_box(unsafe { forbidden.cast::<u8>().read_volatile() });
    }
}

/// A panic, a forbidden access, an abort and a stack that overflows; each in a
/// thread of a process that is there for it.
fn four_ways_for_a_thread_to_fail(record: &mut Record) -> Judged {
    fn overflow(depth: u64) -> u64 {
        let frame = black_box([depth; 128]);
        if frame[0] == u64::MAX {
            0
        } else {
            overflow(depth + 1) + frame[1]
        }
    }
    let ways: [(&str, fn()); 4] = [
        ("panics", || panic!("a bug")),
        ("reads forbidden memory", crash),
        ("aborts", || std::process::abort()),
        ("overflows its stack", || {
            black_box(overflow(0));
        }),
    ];
    let mut ends = Vec::new();
    for (name, fail) in ways {
        let end = end_of_a_child(|| _ = thread::spawn(fail).join())?;
        record.fact(format!("a thread {name}, and its process"), end);
        ends.push(end);
    }
    let killed = |end: &Ending| end.signal().is_some();
    match (ends[0].success(), ends[1..].iter().all(killed)) {
        (true, true) => holds_when(
            "the crash is one of the machine's: forbidden memory, an abort, a full stack; \
             a panic ends its thread only, and join tells of it",
        ),
        (false, true) => holds("each of four ways to fail ended the process"),
        _ => does_not_hold("a process survived a crash of one of its threads"),
    }
}
