//! The squares of the lessons, computed by threads: each thread appends its result to a list that
//! all threads share.
//!
//! The list is then in the order in which the threads ended, which may differ each time. Here the
//! threads are made to end in the opposite order: each waits for the next one.

use std::thread;

use sync::{Monitor, Mutex};

fn main() {
    let numbers = [1_u64, 2, 3, 4, 5];

    // Python's lists lock themselves; in Rust the lock is visible in the code.
    let results = Mutex::new(Vec::new());
    let turn = Monitor::new(numbers.len());
    thread::scope(|scope| {
        for (place, number) in numbers.into_iter().enumerate() {
            let (results, turn) = (&results, &turn);
            scope.spawn(move || {
                let square = number * number;
                drop(turn.enter_when_not(|turn| *turn != place + 1));
                results.lock().push(square);
                turn.update(|turn| *turn -= 1);
            });
        }
    });
    println!("Squares, as the threads ended:  {:?}", results.into_inner());

    let squares = threads::map(5, numbers, |number| number * number);
    println!("Squares, in the items' order:   {squares:?}");
}
