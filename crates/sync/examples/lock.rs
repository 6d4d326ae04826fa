//! The lock of the lessons: one thread at a time in the critical section.
//!
//! In the lessons, acquire, work and release are three separate lines. If something goes wrong
//! between the first line and the last, no thread ever enters again. Here the lock holds the value,
//! and the guard releases the lock.

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
                } // the guard goes out of scope and unlocks, whatever happened in between
            });
        }
    });
    println!(
        "{threads} threads added 1 to the counter, {times} times each, one at a time: {}",
        counter.into_inner()
    );
}
