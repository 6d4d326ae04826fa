//! A modelled futex (futex(2)): sleep while a word has a value, and wake the threads that sleep on
//! it.
//!
//! The names are the same as in `interleave-futex`, which calls the kernel. A crate that names its
//! futex dependency `futex` compiles against both.
//!
//! The kernel keeps a queue of sleepers for each word, and compares the word while it holds the
//! queue's lock: a thread that does not find the expected value was never in the queue. Here the queue
//! is a word with a bit for its lock and one for each sleeper. A thread that wakes others takes bits
//! away while the lock is free. Before that, and between locking and looking at the word, there is a
//! `SeqCst` fence, so that one of the two threads sees what the other did. A wake-up itself orders
//! nothing, and a sleep may end for no reason, once for each thread.

use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use interleave_search::{Change, Guard, Op};

use crate::kernel::{
    self, Place, Run,
    event::Returned,
    object::{Kind, ObjectId},
    performing::{Waiting, Woken},
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

/// The bit of a queue that is locked.
const LOCKED: u64 = 1 << 63;

fn enter(word: &AtomicU32, at: Place) -> (Rc<Run>, ObjectId, usize) {
    let run = kernel::must_run(Kind::AtomicBool);
    let id = word.0.id(&run, at);
    let queue = run.queue_of(id);
    (run, id, queue)
}

fn wait_until(word: &AtomicU32, expected: u32, end: Option<u64>, at: Place) -> bool {
    let (run, id, queue) = enter(word, at);
    let mine = 1_u64 << run.me();
    let relaxed = Ordering::Relaxed;
    let lock = Op::update(queue, Change::Or(LOCKED), relaxed);
    run.perform(lock.when(Guard::Without(LOCKED)), at);
    run.perform(
        Op::Fence {
            order: Ordering::SeqCst,
        },
        at,
    );
    let value = run.access(id, Op::load(run.word(id), relaxed), at).read;
    let mut event = run.event(id, "futex wait", "sleeps", at);
    event.arguments[0] = Some(u64::from(expected));
    if value != u64::from(expected) {
        run.perform(Op::update(queue, Change::And(!LOCKED), relaxed), at);
        event.returned = Returned::Err(value);
        run.log(event);
        return true;
    }
    let join = Change::Add(mine.wrapping_sub(LOCKED));
    run.perform(Op::update(queue, join, relaxed), at);
    run.log(event);
    let leave = Op::update(queue, Change::And(!mine), relaxed);
    let waiting = Waiting {
        wait: Wait::Futex(id),
        is_timed: end.is_some(),
        event: None,
    };
    let woken = run.timed_wait(leave, Guard::Without(mine), waiting, end, at);
    event.returned = Returned::Word(woken.word("woken"));
    run.log(event);
    woken != Woken::InVain
}

/// Wakes one thread that sleeps on `word`. Returns whether there was one.
#[track_caller]
pub fn wake_one(word: &AtomicU32) -> bool {
    wake(word, "futex wake_one", Change::TakeBit, Location::caller()) > 0
}

/// Wakes all threads that sleep on `word`. Returns how many there were.
#[track_caller]
pub fn wake_all(word: &AtomicU32) -> usize {
    wake(word, "futex wake_all", Change::Swap(0), Location::caller()) as usize
}

fn wake(word: &AtomicU32, verb: &'static str, change: Change, at: Place) -> u32 {
    let (run, id, queue) = enter(word, at);
    run.perform(
        Op::Fence {
            order: Ordering::SeqCst,
        },
        at,
    );
    let op = Op::update(queue, change, Ordering::Relaxed);
    let outcome = run.perform(op.when(Guard::Without(LOCKED)), at);
    run.acted();
    let gone = outcome.read & !outcome.written.unwrap_or(outcome.read);
    run.tell(
        id,
        verb,
        match gone.count_ones() {
            0 => "no thread sleeps",
            1 => "wakes one",
            _ => "wakes several",
        },
        at,
    );
    gone.count_ones()
}

impl Run {
    /// The location of the queue of those who sleep on this word.
    fn queue_of(&self, id: ObjectId) -> usize {
        let known = self.state.borrow().objects[id as usize].queue;
        known.unwrap_or_else(|| {
            let queue = self.search.borrow_mut().object(0, 64);
            self.state.borrow_mut().objects[id as usize].queue = Some(queue);
            queue
        })
    }
}
