//! The mutex of parking_lot beside std's and beside this crate's: size, poisoning, fairness.

use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use parking_lot::MutexGuard;
use processes::proc::{self, Syscall};

const ROUNDS: u32 = 100;

fn sizes() {
    println!("bytes for            std   parking_lot   this course");
    let rows = [
        (
            "Mutex<()>",
            size_of::<std::sync::Mutex<()>>(),
            size_of::<parking_lot::Mutex<()>>(),
            size_of::<sync::Mutex<()>>(),
        ),
        (
            "RwLock<()>",
            size_of::<std::sync::RwLock<()>>(),
            size_of::<parking_lot::RwLock<()>>(),
            size_of::<sync::RwLock<()>>(),
        ),
        (
            "Condvar",
            size_of::<std::sync::Condvar>(),
            size_of::<parking_lot::Condvar>(),
            size_of::<sync::Condvar>(),
        ),
    ];
    for (name, std, parking_lot, ours) in rows {
        println!("  {name:15} {std:7} {parking_lot:13} {ours:13}");
    }
}

// ANCHOR: poisoning
/// A thread panics while it holds a lock. What does the next thread get?
fn poisoning() {
    let std = std::sync::Mutex::new(1);
    let parking_lot = parking_lot::Mutex::new(1);
    _ = catch_unwind(AssertUnwindSafe(|| {
        let _held = (std.lock(), parking_lot.lock());
        resume_unwind(Box::new("a bug under the lock")); // a panic that prints nothing
    }));
    match std.lock() {
        Ok(value) => println!("  std: the value, {value}"),
        Err(poisoned) => println!(
            "  std: an error, with the value {} in it",
            poisoned.get_ref()
        ),
    }
    println!("  parking_lot: the value, {}", parking_lot.lock());
}
// ANCHOR_END: poisoning

/// Sleeps until the thread `tid` sleeps in a futex.
fn until_asleep(tid: i32) {
    let sleeps = || {
        matches!(
            proc::syscall(std::process::id().cast_signed(), tid),
            Ok(Syscall::Inside { number, .. }) if number == libc::SYS_futex
        )
    };
    while !sleeps() {
        thread::sleep(Duration::from_micros(200));
    }
}

// ANCHOR: fairness
/// In each round the waiter sleeps until this thread gives the lock away. This thread then wants
/// the lock back at once. Returns in how many rounds the waiter got it first.
fn waiter_first<G>(take: impl Fn() -> G + Sync, give: impl Fn(G) + Sync) -> u32 {
    let (round, done) = (&AtomicU32::new(0), &AtomicU32::new(0));
    let waiter_was_in = &AtomicBool::new(false);
    let (tell, hear) = channel();
    let mut first = 0;
    thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: the call has no arguments and cannot fail.
            _ = tell.send(unsafe { libc::gettid() });
            for number in 1..=ROUNDS {
                until(number, round);
                let guard = take();
                waiter_was_in.store(true, SeqCst);
                give(guard);
                done.store(number, SeqCst);
            }
        });
        let waiter = hear.recv().expect("the waiter has started");
        for number in 1..=ROUNDS {
            let guard = take();
            round.store(number, SeqCst);
            until_asleep(waiter);
            waiter_was_in.store(false, SeqCst);
            give(guard);
            let guard = take();
            first += u32::from(waiter_was_in.load(SeqCst));
            drop(guard);
            until(number, done);
        }
    });
    first
}
// ANCHOR_END: fairness

/// Spins until the word has a value. (With a futex, the waiter would seem to wait for the lock.)
fn until(number: u32, word: &AtomicU32) {
    while word.load(SeqCst) != number {
        thread::yield_now();
    }
}

fn fairness() {
    let std = std::sync::Mutex::new(());
    let parking_lot = parking_lot::Mutex::new(());
    let first = waiter_first(|| std.lock(), drop);
    println!("  std, dropped:             in {first:3} of {ROUNDS} rounds");
    let first = waiter_first(|| parking_lot.lock(), drop);
    println!("  parking_lot, dropped:     in {first:3} of {ROUNDS} rounds");
    let first = waiter_first(|| parking_lot.lock(), MutexGuard::unlock_fair);
    println!("  parking_lot, unlock_fair: in {first:3} of {ROUNDS} rounds");
}

fn main() {
    sizes();
    println!("after a panic under the lock, the next thread gets");
    poisoning();
    println!("a sleeping waiter got the lock before the thread that gave it away");
    fairness();
}
