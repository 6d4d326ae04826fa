//! A pool, step 1: the workers take jobs from a queue, and nobody tells them when to stop.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::{fs, thread};

// ANCHOR: pool
type Job = Box<dyn FnOnce() + Send>;

#[derive(Clone, Default)]
struct Pool(Arc<(Mutex<VecDeque<Job>>, Condvar)>);

impl Pool {
    fn new(workers: usize) -> Self {
        let pool = Self::default();
        for _ in 0..workers {
            let pool = pool.clone();
            thread::spawn(move || {
                loop {
                    pool.next_job()();
                }
            });
        }
        pool
    }

    fn execute(&self, job: impl FnOnce() + Send + 'static) {
        let (queue, to_do) = &*self.0;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(Box::new(job));
        to_do.notify_one();
    }

    /// Sleeps until there is a job.
    fn next_job(&self) -> Job {
        let (queue, to_do) = &*self.0;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match queue.pop_front() {
                Some(job) => return job,
                None => queue = to_do.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}
// ANCHOR_END: pool

/// How many threads this process has, as the kernel counts them.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn main() {
    for request in 1..=10 {
        let pool = Pool::new(2);
        let (sender, squares) = mpsc::channel();
        for number in 1..=5_u64 {
            let sender = sender.clone();
            pool.execute(move || _ = sender.send(number * number));
        }
        drop(sender);
        let sum: u64 = squares.iter().sum(); // ends when all five jobs are done
        drop(pool);
        if [1, 2, 10].contains(&request) {
            println!(
                "request {request}: sum {sum}, threads in the process: {}",
                threads()
            );
        }
    }
}
