//! A modelled futex (futex(2)): sleep while a word has a value, and wake the threads that sleep on
//! it.
//!
//! The names are the same as in `interleave-futex`, which calls the kernel. A crate that names its
//! futex dependency `futex` compiles against both.

use std::panic::Location;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::kernel::{
    self,
    engine::Change,
    event::{Event, Returned, Step},
    object::Kind,
    thread::Wait,
};
use crate::sync::atomic::AtomicU32;
use crate::time::deadline;

/// Sleeps until a wake-up on `word`. If the value of the word is not `expected`, it returns at
/// once. As with the kernel's futex, the comparison and the beginning of the sleep are one atomic
/// step, and the caller must look at the word again.
#[track_caller]
pub fn wait(word: &AtomicU32, expected: u32) {
    wait_until(word, expected, None, Location::caller());
}

/// [`wait`] for at most `timeout`. Returns false if the time was up.
#[track_caller]
pub fn wait_timeout(word: &AtomicU32, expected: u32, timeout: Duration) -> bool {
    let end = deadline(&kernel::must_run(Kind::AtomicBool), timeout);
    wait_until(word, expected, Some(end), Location::caller())
}

fn wait_until(word: &AtomicU32, expected: u32, end: Option<u64>, at: kernel::Place) -> bool {
    let run = kernel::must_run(Kind::AtomicBool);
    let id = word.0.id(&run, at);
    let value = run.step(Step::write(id), at, |engine| {
        engine.rmw(id, Change::Look, Ordering::Relaxed, Ordering::Relaxed)
    });
    let mut event = Event::new(run.me(), "futex wait", at);
    event.object = Some(id);
    event.arguments[0] = Some(u64::from(expected));
    if value != u64::from(expected) {
        event.returned = Returned::Err(value);
        run.log(event);
        run.saw(id, value);
        return true;
    }
    event.returned = Returned::Word("sleeps");
    run.log(event);
    let woken = run.block_maybe_until(end, Wait::Futex(id), Step::write(id), at);
    event.returned = Returned::Word(if woken { "woken" } else { "timed out" });
    run.log(event);
    woken
}

/// Wakes one thread that sleeps on `word`. Returns whether there was one.
#[track_caller]
pub fn wake_one(word: &AtomicU32) -> bool {
    wake(word, "futex wake_one", Location::caller(), |run, id| {
        usize::from(run.wake_one(Wait::Futex(id)))
    }) > 0
}

/// Wakes all threads that sleep on `word`. Returns how many there were.
#[track_caller]
pub fn wake_all(word: &AtomicU32) -> usize {
    wake(word, "futex wake_all", Location::caller(), |run, id| {
        run.wake_all(Wait::Futex(id))
    })
}

fn wake(
    word: &AtomicU32,
    verb: &'static str,
    at: kernel::Place,
    wake: impl FnOnce(&kernel::Run, u32) -> usize,
) -> usize {
    let run = kernel::must_run(Kind::AtomicBool);
    let id = word.0.id(&run, at);
    run.step(Step::write(id), at, |engine| {
        engine.rmw(id, Change::Look, Ordering::Relaxed, Ordering::Relaxed)
    });
    let woken = wake(&run, id);
    let mut event = Event::new(run.me(), verb, at);
    event.object = Some(id);
    event.returned = Returned::Word(match woken {
        0 => "no thread sleeps",
        1 => "wakes one",
        _ => "wakes several",
    });
    run.log(event);
    woken
}
