//! Step 2 of the chapter: a lock made of one flag. Three versions fail, each for its own reason.

mod explored;

use explored::{explorer, timeline, verdict};

interleave::scenarios! {
    exercise = crate;

    use std::sync::atomic::{AtomicBool, Ordering, Ordering::*};

    // ANCHOR: two_steps
    /// Waits until the flag is false, and then sets it. Wrong: these are two steps.
    pub fn look_then_take(locked: &AtomicBool) {
        while locked.load(Acquire) {
            std::hint::spin_loop();
        }
        locked.store(true, Relaxed);
    }
    // ANCHOR_END: two_steps

    // ANCHOR: one_step
    /// Sets the flag and learns its old value, in one atomic step.
    pub fn swap(locked: &AtomicBool) {
        while locked.swap(true, Acquire) {
            std::hint::spin_loop();
        }
    }
    // ANCHOR_END: one_step

    // ANCHOR: both_lock
    /// Two threads take the lock, and each adds one to the payload.
    pub fn both_lock(lock: fn(&AtomicBool), unlock: Ordering) {
        let shared = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        let add = move |(locked, payload): &(AtomicBool, Tracked<u32>)| {
            lock(locked);
            payload.update(|n| n + 1);
            locked.store(false, unlock);
        };
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || add(&theirs));
        add(&shared);
        _ = other.join();
    }
    // ANCHOR_END: both_lock
}

fn main() {
    use std::sync::atomic::Ordering::{Relaxed, Release};

    let found = explorer().of(|| scenarios::both_lock(scenarios::look_then_take, Release));
    verdict("look, then take", &found);
    timeline(&found);
    let found = explorer().of(|| scenarios::both_lock(scenarios::swap, Release));
    verdict("swap", &found);
    let found = explorer().of(|| scenarios::both_lock(scenarios::swap, Relaxed));
    verdict("swap, and a Relaxed store unlocks", &found);
    let found = explorer().of(|| scenarios::both_lock(scenarios::swap, Release));
    verdict("swap, and a Release store unlocks", &found);
}
