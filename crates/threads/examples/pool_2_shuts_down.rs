//! A pool, step 2: dropping `threads::Pool` lets the queued jobs be done and waits for the workers.

use std::sync::mpsc;
use std::{fs, thread};

use threads::{Pool, PoolError};

/// How many threads this process has, as the kernel counts them. A thread that was joined may still
/// be in the list for a moment, so this looks until the number stays the same.
fn threads() -> usize {
    let count = || fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let mut last = count();
    for _ in 0..1000 {
        if last == 1 {
            break;
        }
        thread::yield_now();
        last = count();
    }
    last
}

fn main() -> Result<(), PoolError> {
    for request in 1..=10 {
        let pool = Pool::new(2, 5)?;
        let (sender, squares) = mpsc::channel();
        for number in 1..=5_u64 {
            let sender = sender.clone();
            _ = pool.execute(move || _ = sender.send(number * number));
        }
        drop(sender);
        drop(pool); // closes the queue, and waits until all five jobs are done and the workers have ended
        let sum: u64 = squares.iter().sum();
        if [1, 2, 10].contains(&request) {
            println!(
                "request {request}: sum {sum}, threads in the process: {}",
                threads()
            );
        }
    }
    Ok(())
}
