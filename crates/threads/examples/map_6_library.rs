//! A map, step 6: `threads::map`, with the item that takes long and with the item that panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use threads::{map, message_of};

fn main() {
    let done = AtomicUsize::new(0);
    let squares = map(2, 0..16_usize, |number| {
        if number == 0 {
            // Item 0 takes until all others are done. With two halves it would wait for ever.
            while done.load(Relaxed) < 15 {
                thread::yield_now();
            }
            let done = done.load(Relaxed);
            println!("item 0 is in progress; of the other 15 items, {done} are done");
        }
        done.fetch_add(1, Relaxed);
        number * number
    });
    println!("{squares:?}");

    // ANCHOR: panic
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        map(2, 0..16_usize, |number| {
            assert!(number != 13, "no square for {number}");
            number * number
        })
    }));
    if let Err(payload) = attempt {
        println!("the caller learns: {}", message_of(&*payload));
    }
    // ANCHOR_END: panic
}
