//! A map, step 4: two workers, and each gets one half of the items.
//!
//! Item 0 takes long. The worker that has it cannot begin its other items meanwhile, and the other
//! worker cannot help: it has finished its half and has ended.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::{fs, thread};

// ANCHOR: pieces
/// Each worker gets one piece of the items. The pieces are joined in their order.
fn map<T: Sync, R: Send>(workers: usize, items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let piece = items.len().div_ceil(workers).max(1);
    thread::scope(|scope| {
        let f = &f;
        let threads: Vec<_> = items
            .chunks(piece)
            .map(|items| scope.spawn(move || items.iter().map(f).collect::<Vec<_>>()))
            .collect();
        let results = threads.into_iter().map(thread::ScopedJoinHandle::join);
        results
            .flat_map(|piece| piece.expect("f panicked"))
            .collect()
    })
}
// ANCHOR_END: pieces

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
}
