//! The semaphore of the lessons: a counter that threads wait at while it is 0.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use sync::{Barrier, Semaphore};

fn main() {
    let (roommates, bathrooms) = (6, 2);
    let free = Semaphore::new(bathrooms);
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    // A lock is not enough: no thread leaves its bathroom before another thread is in the other
    // one.
    let both_taken = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..roommates {
            scope.spawn(|| {
                let _permit = free.acquire();
                most.fetch_max(inside.fetch_add(1, Relaxed) + 1, Relaxed);
                both_taken.wait();
                inside.fetch_sub(1, Relaxed);
            });
        }
    });
    println!(
        "{roommates} roommates, {bathrooms} bathrooms: all had their turn, and never more than {} at a time",
        most.into_inner()
    );
}
