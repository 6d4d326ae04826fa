//! A map, step 5: each of two workers takes the next item as soon as it is free.
//!
//! Item 0 takes long, as in step 4. The other worker does all the others meanwhile. Then an item
//! panics, and its message gets lost on the way to the caller.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{fs, thread};

use threads::message_of;

// ANCHOR: next
/// Workers share one counter. Each result travels with the index of its item.
fn map<T: Sync, R: Send>(workers: usize, items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut results = Vec::new();
        loop {
            let index = next.fetch_add(1, Relaxed);
            let Some(item) = items.get(index) else {
                return results; // nothing is left to do
            };
            results.push((index, f(item)));
        }
    };
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let results = threads.into_iter().map(thread::ScopedJoinHandle::join);
        results
            .flat_map(|results| results.expect("f panicked"))
            .collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
// ANCHOR_END: next

/// How many threads this process has, as the kernel counts them.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn main() {
    let done = AtomicUsize::new(0);
    let numbers: Vec<usize> = (0..16).collect();
    let squares = map(2, &numbers, |&number| {
        if number == 0 {
            // Item 0 takes until the other worker has ended: only main and this thread are left.
            while done.load(Relaxed) == 0 || threads() > 2 {
                thread::yield_now();
            }
            let done = done.load(Relaxed);
            println!("item 0 is in progress, and the other worker has ended");
            println!("of the other 15 items, {done} are done");
        }
        done.fetch_add(1, Relaxed);
        number * number
    });
    println!("{squares:?}");

    let attempt = catch_unwind(AssertUnwindSafe(|| {
        map(2, &numbers, |&number| {
            assert!(number != 13, "no square for {number}");
            number * number
        })
    }));
    if let Err(payload) = attempt {
        println!("the caller learns: {}", message_of(&*payload));
    }
}
