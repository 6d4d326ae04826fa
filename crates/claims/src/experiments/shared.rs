//! Memory that several threads or processes share.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use context_switch::Pages;

use super::claim;
use super::helpers::ask_a_child;
use crate::verdict::{does_not_hold, holds};
use crate::{Claim, Judged, Record};

const SOURCE: &str = include_str!("shared.rs");

pub(super) const CLAIMS: [Claim; 2] = [
    claim!(24 True [Roommates Restaurant Byte Office Squares]
        "The threads of a process share its memory."
        a_thread_writes_where_another_reads),
    claim!(40 True [Roommates]
        "Shared memory is like a whiteboard: a reader sees only what is written there now."
        two_children_write_on_one_page),
];

/// A thread writes to a variable, and the main thread reads it at the same address.
fn a_thread_writes_where_another_reads(record: &mut Record) -> Judged {
    let number = AtomicU32::new(41);
    let look = || format!("{} at {:p}", number.load(Relaxed), &raw const number);
    let thread = thread::scope(|scope| {
        let write = || {
            number.store(42, Relaxed);
            look()
        };
        scope.spawn(write).join()
    });
    let thread = thread.map_err(|_| io::Error::other("the thread panicked"))?;
    let main = look();
    record.fact("the thread wrote 42 and reads", &thread);
    record.fact("then the main thread reads", &main);
    match thread == main && main.starts_with("42 ") {
        true => holds(
            "The main thread read, at the same address, the value that the other thread had \
             written.",
        ),
        false => does_not_hold("The main thread did not read what the other thread had written."),
    }
}

/// Each of two children writes 1, 2 and 3 into its own place on a page that all
/// share. The parent reads both places afterwards.
fn two_children_write_on_one_page(record: &mut Record) -> Judged {
    let board = Pages::shared(1)?;
    let read = |line: usize| board.line(line).load(Relaxed);
    for line in 0..2 {
        let sees = ask_a_child(|| {
            for number in 1..=3 {
                board.line(line).store(number, Relaxed);
            }
            format!("{} {}", read(0), read(1))
        })?;
        record.fact(
            format!("child {line} wrote 1, 2, 3 into its own place and sees in both places"),
            sees,
        );
    }
    let now = (read(0), read(1));
    record.fact(
        "the parent sees in both places",
        format!("{} {}", now.0, now.1),
    );
    match now {
        (3, 3) => holds(
            "The parent saw only the current value of each child, which is the last one. The \
             earlier values, and their order, are gone.",
        ),
        _ => does_not_hold(format!(
            "The parent should have seen 3 and 3, but it saw {now:?}."
        )),
    }
}
