//! A map, step 1: five threads append their squares to one list.
//!
//! The list is in the order in which the threads append. Here they do so in the opposite order of
//! the numbers: each thread waits until the thread for the next number has ended. A scheduler may
//! choose this order like any other order.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

fn main() {
    // ANCHOR: append
    let results = Arc::new(Mutex::new(Vec::new()));
    let mut next: Option<JoinHandle<()>> = None;
    for number in (1..=5_u64).rev() {
        let results = Arc::clone(&results);
        let wait_for = next.take();
        next = Some(thread::spawn(move || {
            let square = number * number;
            if let Some(thread) = wait_for {
                _ = thread.join(); // this thread happens to be slower than that one
            }
            let mut list = results.lock().unwrap_or_else(PoisonError::into_inner);
            list.push(square);
        }));
    }
    // ANCHOR_END: append
    if let Some(thread) = next {
        _ = thread.join();
    }
    let results = results.lock().unwrap_or_else(PoisonError::into_inner);
    println!("numbers: [1, 2, 3, 4, 5]");
    println!("squares: {results:?}");
}
