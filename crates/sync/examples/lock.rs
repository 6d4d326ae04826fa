//! The lock of the lessons: one thread at a time in the critical section.
//!
//! There it is acquire, work, release, in three lines; a mistake between the first and the last, and
//! nobody ever gets in again. Here the lock holds the value and the guard releases.

use std::thread;
use sync::Mutex;

fn main() {
    let (threads, times) = (4, 10_000);
    let counter = Mutex::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..times {
                    let mut only_me = counter.lock();
                    *only_me += 1;
                } // the guard goes out of scope: unlocked, whatever happened in between
            });
        }
    });
    println!(
        "{threads} threads added 1 to the counter, {times} times each, one at a time: {}",
        counter.into_inner()
    );
}
