//! Step 3 of the chapter: a mutex whose waiters sleep. The first version loses a wake-up, and the
//! second one makes a system call for every unlock.

mod explored;

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use explored::{explorer, timeline, verdict};

interleave::scenarios! {
    exercise = crate;

    use std::futex;
    use std::sync::atomic::{AtomicU32, Ordering::*};

    pub const FREE: u32 = 0;
    pub const HELD: u32 = 1;

    // ANCHOR: blind
    /// Sleeps if the lock is held. But the lock may become free before the sleep begins.
    pub fn lock_blindly(state: &AtomicU32) {
        while state.swap(HELD, Acquire) != FREE {
            // Wrong: expects whatever value the word has now.
            futex::wait(state, state.load(Relaxed));
        }
    }
    // ANCHOR_END: blind

    // ANCHOR: compared
    /// Sleeps only while the lock is held: the kernel compares once more.
    pub fn lock(state: &AtomicU32) {
        while state.swap(HELD, Acquire) != FREE {
            futex::wait(state, HELD);
        }
    }

    pub fn unlock(state: &AtomicU32) {
        state.store(FREE, Release);
        futex::wake_one(state);
    }
    // ANCHOR_END: compared

    /// Two threads take the lock, and each adds one to the payload.
    pub fn both_lock(lock: fn(&AtomicU32)) {
        let shared = Arc::new((AtomicU32::new(FREE), Tracked::new(0)));
        let add = move |(state, payload): &(AtomicU32, Tracked<u32>)| {
            lock(state);
            payload.update(|n| n + 1);
            unlock(state);
        };
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || add(&theirs));
        add(&shared);
        _ = other.join();
    }
}

/// The library's mutex in the same program.
mod library {
    use interleave::std::sync::Arc;
    use interleave::std::{Tracked, thread};
    use sync_explored::Mutex;

    pub(super) fn both_lock() {
        let shared = Arc::new(Mutex::new(Tracked::new(0)));
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || theirs.lock().update(|n| n + 1));
        shared.lock().update(|n| n + 1);
        _ = other.join();
    }
}

/// One thread locks and unlocks, with a real futex. Returns how many wake-ups it asked the kernel
/// for: each one is a system call.
fn wake_ups(times: u32) -> u32 {
    let (state, mut calls) = (AtomicU32::new(0), 0);
    for _ in 0..times {
        while state.swap(1, Acquire) != 0 {
            futex::wait(&state, state.load(Relaxed));
        }
        state.store(0, Release);
        calls += 1;
        futex::wake_one(&state);
    }
    calls
}

fn main() {
    let found = explorer().of(|| scenarios::both_lock(scenarios::lock_blindly));
    verdict("sleep without comparing", &found);
    timeline(&found);
    let found = explorer().of(|| scenarios::both_lock(scenarios::lock));
    verdict("sleep while it is HELD", &found);
    println!(
        "  but one thread that locks 1,000 times, alone, asks for {} wake-ups",
        wake_ups(1_000)
    );
    let found = explorer().of(library::both_lock);
    verdict("three states, the library's mutex", &found);
}
