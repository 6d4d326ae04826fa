//! The mutex of parking_lot beside std's and beside this crate's: size, poisoning, fairness.

use std::mem::size_of;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use parking_lot::MutexGuard;

const TIMES: u32 = 20_000;

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
        Ok(value) => println!("std: the value, {value}"),
        Err(poisoned) => println!("std: an error, with the value {} in it", poisoned.get_ref()),
    }
    println!("parking_lot: the value, {}", parking_lot.lock());
}
// ANCHOR_END: poisoning

/// Two threads take the lock again and again. Returns how often another thread held it last.
fn hand_overs(turn: impl Fn(&dyn Fn()) + Sync) -> u32 {
    let (last, changed) = (AtomicU32::new(2), AtomicU32::new(0));
    let (last, changed) = (&last, &changed);
    let turn = &turn;
    thread::scope(|scope| {
        for me in 0..2 {
            scope.spawn(move || {
                for _ in 0..TIMES / 2 {
                    turn(&|| {
                        if last.swap(me, Relaxed) != me {
                            changed.fetch_add(1, Relaxed);
                        }
                    });
                }
            });
        }
    });
    changed.load(Relaxed)
}

// ANCHOR: fairness
/// How often the lock changes hands when two threads want it all the time.
fn fairness() {
    let std = std::sync::Mutex::new(());
    let parking_lot = parking_lot::Mutex::new(());
    let changes = hand_overs(|work| {
        let _guard = std.lock();
        work();
    });
    println!("std, dropped:             {changes:6} times in {TIMES} lockings");
    let changes = hand_overs(|work| {
        let _guard = parking_lot.lock();
        work();
    });
    println!("parking_lot, dropped:     {changes:6} times");
    let changes = hand_overs(|work| {
        let guard = parking_lot.lock();
        work();
        MutexGuard::unlock_fair(guard); // the next holder is the thread that has waited longest
    });
    println!("parking_lot, unlock_fair: {changes:6} times");
}
// ANCHOR_END: fairness

fn main() {
    sizes();
    println!("after a panic under the lock, the next thread gets");
    poisoning();
    println!("the lock changed hands");
    fairness();
}
