//! Crashes: what a crash of a process or of a thread does to others.

use std::hint::black_box;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use context_switch::Pages;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
use nix::sys::signal::{SigHandler, Signal, signal};
use processes::proc::{State, stat};
use processes::{Ending, fork};

use super::claim;
use super::helpers::end_of_a_child;
use crate::verdict::{does_not_hold, holds, holds_when};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("crashes.rs");

pub(super) const CLAIMS: [Claim; 2] = [
    claim!(12 Half [Office Restaurant Squares]
        "A crash in one process does not affect other processes."
        what_a_crashed_child_leaves_behind),
    claim!(30 Half [Restaurant Office]
        "A crash in one thread can end the whole process."
        four_ways_for_a_thread_to_fail),
];

/// A child crashes while it holds a lock in shared memory, in the middle of an
/// update. Another child writes to a pipe whose last reader is gone.
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
    // A process that has ended stays a zombie until its parent waits for it: the
    // kernel keeps its PID and how it ended.
    while stat(pid)?.state != State::Zombie {
        thread::yield_now();
    }
    record.fact(
        "the crashed child before its parent waited for it",
        "a zombie",
    );
    let ending = child.wait()?;
    record.fact("how the child ended", ending);
    record.fact("the parent", "is still running");
    record.fact("the lock in shared memory", held(lock.load(Relaxed)));
    let halves = (left.load(Relaxed), right.load(Relaxed));
    record.fact(
        "two numbers in shared memory that should be equal",
        format!("{} and {}", halves.0, halves.1),
    );
    drop(reader);
    let writing = end_of_a_child(|| {
        // SAFETY: this sets the default action, so no handler of this program runs.
        let reset = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
        _ = reset.map(|_| writer.write_all(b"is anybody there?"));
    })?;
    record.fact(
        "the end of a process that wrote to a pipe whose last reader was gone",
        writing,
    );
    if ending.signal() != Some(libc::SIGSEGV) {
        return does_not_hold(format!(
            "The child did not end by a segmentation fault: {ending}."
        ));
    }
    match lock.load(Relaxed) == 1 && halves.0 != halves.1 && writing.signal() == Some(libc::SIGPIPE)
    {
        true => holds_when(
            "the processes share nothing. A crashed child left a lock in shared memory held and an \
             update of shared data half done, and it stayed a zombie until its parent waited for \
             it. A process that wrote to a pipe without a reader was killed by SIGPIPE.",
        ),
        false => holds("The crash left no trace in what the processes shared."),
    }
}

fn held(word: u32) -> &'static str {
    if word == 1 {
        "is still held"
    } else {
        "is free"
    }
}

/// Reads memory that this process may not read, which causes a segmentation fault.
fn crash() {
    let page = NonZeroUsize::MIN.saturating_add(4095);
    // SAFETY: a new mapping at an address that the kernel chooses does not disturb
    // existing memory.
    let mapped = unsafe { mmap_anonymous(None, page, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE) };
    if let Ok(forbidden) = mapped {
        // SAFETY: the kernel ends this process instead of completing the read.
        black_box(unsafe { forbidden.cast::<u8>().read_volatile() });
    }
}

/// Lets a thread fail in four ways, each time in a new process: by a panic, by
/// access to forbidden memory, by an abort and by a stack overflow.
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
        ("panicked", || panic!("a bug")),
        ("read forbidden memory", crash),
        ("aborted", || std::process::abort()),
        ("overflowed its stack", || {
            black_box(overflow(0));
        }),
    ];
    let mut ends = Vec::new();
    for (name, fail) in ways {
        let end = end_of_a_child(|| _ = thread::spawn(fail).join())?;
        record.fact(
            format!("how a process ended after one of its threads {name}"),
            end,
        );
        ends.push(end);
    }
    let killed = |end: &Ending| end.signal().is_some();
    match (ends[0].success(), ends[1..].iter().all(killed)) {
        (true, true) => holds_when(
            "the crash is a fatal signal (a segmentation fault, an abort, a stack overflow). A \
             Rust panic ends only its own thread, and `join` reports it.",
        ),
        (false, true) => holds("Each of the four ways to fail ended the whole process."),
        _ => does_not_hold("A process survived a fatal signal in one of its threads."),
    }
}
