//! Fork and join, step 1: a job splits its work in two, gives one half to the pool of which it is a
//! worker, and waits for it.
//!
//! All workers wait, so no worker is left to do the halves. The program does not wait for
//! that to end: it looks at what the workers do, and ends the process.

use std::sync::{Arc, Barrier};
use std::{fs, process, thread};

use threads::{Pool, PoolError};

// ANCHOR: sum
/// Adds up `numbers`; one half is a job of its own.
fn sum(pool: &Arc<Pool>, mut numbers: Vec<u64>) -> u64 {
    if numbers.len() <= 2 {
        return numbers.iter().sum();
    }
    let right = numbers.split_off(numbers.len() / 2);
    let inner = Arc::clone(pool);
    match pool.submit(move || sum(&inner, right)) {
        Ok(job) => sum(pool, numbers) + job.wait().unwrap_or(0),
        Err(_) => 0,
    }
}
// ANCHOR_END: sum

/// The states of this process's threads but the main one: `R` runs or wants to, `S` sleeps.
fn states_of_the_workers() -> Vec<char> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    let stat = |task: fs::DirEntry| fs::read_to_string(task.path().join("stat")).ok();
    tasks
        .filter_map(|task| stat(task.ok()?))
        .filter(|stat| stat.contains("(pool "))
        // proc_pid_stat(5): the state comes after the name, which stands in parentheses.
        .filter_map(|stat| stat.rsplit_once(") ")?.1.chars().next())
        .collect()
}

fn main() -> Result<(), PoolError> {
    let workers = 2;
    let pool = Arc::new(Pool::new(workers, 64)?);
    // Both workers begin with a sum of eight numbers, so the numbers below are always the same.
    let begin = Arc::new(Barrier::new(workers));
    for first in [0, 100] {
        let (inner, begin) = (Arc::clone(&pool), Arc::clone(&begin));
        let numbers = (first..first + 8).collect();
        _ = pool.execute(move || {
            begin.wait();
            println!("the sum is {}", sum(&inner, numbers));
        });
    }
    // Wait until both workers have slept for some time while jobs were queued.
    let mut asleep = 0;
    while asleep < 50 {
        let all = states_of_the_workers() == ['S'; 2] && pool.queued() == 4;
        asleep = if all { asleep + 1 } else { 0 };
        thread::sleep(std::time::Duration::from_millis(2));
    }
    println!(
        "{workers} workers, all asleep; {} jobs in the queue",
        pool.queued()
    );
    println!("no other thread takes jobs from this queue: nothing will ever happen");
    process::exit(0)
}
