//! A production failure: each job that panics takes its worker with it, and in the end no worker is
//! left. The pool still accepts jobs.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;
use std::{fs, thread};

use threads::{JobError, JobHandle, Pool, PoolError};

// ANCHOR: worker
type Job = Box<dyn FnOnce() + Send>;

/// The loop of a worker, as it is often written: a panic of `job` leaves the loop.
fn work(jobs: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(),
            Err(_) => return, // no more jobs will come
        }
    }
}
// ANCHOR_END: worker

/// A request of which every third one meets a bug.
fn answer(request: u32) -> u32 {
    assert!(
        !request.is_multiple_of(3),
        "no answer for request {request}"
    );
    request * request
}

fn main() -> Result<(), PoolError> {
    let (submit, jobs) = mpsc::channel::<Job>();
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..3 {
        let jobs = Arc::clone(&jobs);
        thread::spawn(move || work(&jobs));
    }
    println!("the pool of three that does not catch panics");
    for request in 1..=10 {
        let (reply, answers) = mpsc::channel();
        _ = submit.send(Box::new(move || _ = reply.send(answer(request))));
        // If there is no worker, nobody will answer.
        let patience = Duration::from_secs(if threads() > 1 { 60 } else { 0 });
        let answer = match answers.recv_timeout(patience) {
            Ok(answer) => format!("answer {answer}"),
            Err(mpsc::RecvTimeoutError::Disconnected) => "no answer".to_owned(),
            Err(mpsc::RecvTimeoutError::Timeout) => "still in the queue".to_owned(),
        };
        // A worker that panicked needs a moment to end.
        let left = 3 - (request / 3) as usize;
        while threads() > 1 + left {
            thread::yield_now();
        }
        println!(
            "  request {request:>2}: {answer:<18}  workers: {}",
            threads() - 1
        );
    }

    println!("threads::Pool, which catches them");
    let pool = Pool::new(3, 16)?;
    for request in 7..=10 {
        let answer = match pool.submit(move || answer(request)).map(JobHandle::wait) {
            Ok(Ok(answer)) => format!("answer {answer}"),
            Ok(Err(JobError::Panicked(_))) => "no answer".to_owned(),
            Ok(Err(JobError::Dropped)) | Err(_) => "not done".to_owned(),
        };
        println!(
            "  request {request:>2}: {answer:<18}  workers: {}",
            threads() - 1
        );
    }
    Ok(())
}

/// How many threads this process has, as the kernel counts them.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
