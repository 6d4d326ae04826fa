//! The racing counter of the lessons: two threads add to one variable, and additions get lost.
//!
//! The lesson's program relies on luck to show this, and it is rarely lucky: the scheduler hardly
//! ever interrupts a thread between its load and its store. Here a barrier between the load and the
//! store makes it happen every time.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;

use sync::{Barrier, Mutex};

const TIMES: u32 = 1_000;

/// Calls `add` in two threads at the same time, `TIMES` times in each.
fn both(add: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..TIMES).for_each(|_| add()));
        }
    });
}

fn main() {
    println!(
        "2 threads added 1, {TIMES} times each; {} were expected",
        2 * TIMES
    );

    // What `counter += 1` does in Python: a load, an addition and a store.
    let (counter, both_have_read) = (AtomicU32::new(0), Barrier::new(2));
    let both_have_written = Barrier::new(2);
    both(|| {
        let seen = counter.load(Relaxed);
        both_have_read.wait(); // the scheduler may switch threads here; now it has to
        counter.store(seen + 1, Relaxed);
        both_have_written.wait();
    });
    println!("load, then store:   {}", counter.into_inner());

    // The processor's own addition: no other thread comes between its load and its store.
    let counter = AtomicU32::new(0);
    both(|| {
        counter.fetch_add(1, Relaxed);
    });
    println!("one atomic step:    {}", counter.into_inner());

    // Any number of steps, but one thread at a time.
    let counter = Mutex::new(0);
    both(|| {
        let mut counter = counter.lock();
        let seen = *counter;
        *counter = seen + 1;
    });
    println!("a lock around both: {}", counter.into_inner());
}
