//! A map, step 2: each thread returns its square, and the main thread joins the threads in the
//! order of the numbers.
//!
//! The threads end in any order. That does not matter any more, because no thread writes to a list.

use std::thread;

fn square(number: u64) -> u64 {
    number * number
}

// ANCHOR: handles
/// The numbers are moved into the threads: `thread::spawn` does not let a thread borrow them.
fn squares(numbers: Vec<u64>) -> thread::Result<Vec<u64>> {
    let threads: Vec<_> = numbers
        .into_iter()
        .map(|number| thread::spawn(move || square(number)))
        .collect();
    threads.into_iter().map(thread::JoinHandle::join).collect()
}
// ANCHOR_END: handles

fn main() {
    let numbers = vec![1, 2, 3, 4, 5];
    println!("numbers: {numbers:?}");
    match squares(numbers) {
        Ok(squares) => println!("squares: {squares:?}"),
        Err(_) => println!("a thread panicked"),
    }
}
