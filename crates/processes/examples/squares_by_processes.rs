//! The squares of five numbers, computed by a pool of processes. The function
//! takes a while for each number, to show that the processes work at the same
//! time.
//!
//! `cargo run -p processes --example squares_by_processes`

use std::collections::HashSet;
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use processes::ProcessPool;

/// How long each number takes. In the lesson it is one second.
const NAP: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let mut pool = ProcessPool::new(5, |number: u64| {
        thread::sleep(NAP);
        (number * number, std::process::id())
    })?;

    let start = Instant::now();
    let results = pool.map([1, 2, 3, 4, 5])?;
    let took = start.elapsed();

    let (mut squares, mut workers) = (Vec::new(), HashSet::new());
    for result in results {
        let (square, worker) = result?;
        squares.push(square);
        workers.insert(worker);
    }
    println!("Squares: {squares:?}");
    println!("computed by {} processes", workers.len());
    println!(
        "this one among them: {}",
        workers.contains(&std::process::id())
    );
    println!("faster than one after the other: {}", took < 5 * NAP);
    Ok(())
}
