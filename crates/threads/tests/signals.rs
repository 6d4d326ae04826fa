//! A signal handler that runs in the middle of a wait: the wait goes on.

#[path = "../../sync/tests/common/mod.rs"]
mod common;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::signals::{goes_on, install};
use sync::Semaphore;
use threads::{BackgroundTask, ForkJoin, Pool, map};

const LONG: Duration = Duration::from_secs(3600);

/// Something to wait for: the first is waited at by a thread, the second lets it go.
fn gate() -> (impl FnOnce() + Send, impl FnOnce()) {
    let gate = Arc::new(Semaphore::new(0));
    let theirs = Arc::clone(&gate);
    (
        move || theirs.acquire().forget(),
        move || gate.release(1).unwrap(),
    )
}

/// One test, because the count of handled signals belongs to the process.
#[test]
fn every_wait_goes_on_after_a_signal() {
    install();

    // For a background task: its progress, its end with and without a timeout, and joining it.
    let (held, let_go) = gate();
    let task = BackgroundTask::spawn("held", |task| {
        held();
        task.report(1, 1);
    });
    let task = task.unwrap();
    let progress = goes_on(|| task.wait_for(|progress| progress.done == 1), let_go);
    assert_eq!(progress.done, 1);
    let (held, let_go) = gate();
    let task = BackgroundTask::spawn("held", |_| held()).unwrap();
    assert_eq!(goes_on(|| task.wait_timeout(LONG), let_go), Ok(()));
    let (held, let_go) = gate();
    let task = BackgroundTask::spawn("held", |_| held()).unwrap();
    goes_on(|| task.join().unwrap(), let_go);

    // For a job, for room in the queue, and for the end of a pool.
    let pool = Pool::new(1, 1).unwrap();
    let (held, let_go) = gate();
    let job = pool.submit(held).unwrap();
    goes_on(|| job.wait().unwrap(), let_go);
    let (held, let_go) = gate();
    let (begun, wait) = mpsc::channel();
    let first = pool.submit(move || {
        begun.send(()).unwrap();
        held();
    });
    wait.recv().unwrap();
    let second = pool.submit(|| ()).unwrap();
    let third = goes_on(|| pool.submit(|| 3).unwrap(), let_go);
    assert_eq!(third.wait().unwrap(), 3);
    assert!(first.unwrap().is_finished() && second.is_finished());
    let (held, let_go) = gate();
    pool.submit(held).unwrap();
    goes_on(|| drop(pool), let_go);

    // For a run in a pool for fork and join.
    let pool = ForkJoin::new(1).unwrap();
    let (held, let_go) = gate();
    goes_on(|| pool.run(held), let_go);

    // For the other worker of a map.
    let (held, let_go) = gate();
    let held = std::sync::Mutex::new(Some(held));
    let results = goes_on(
        || {
            map(2, 0..2, |n| {
                let held = held.lock().unwrap().take();
                if let Some(held) = held {
                    held();
                }
                n
            })
        },
        let_go,
    );
    assert_eq!(results, [0, 1]);
}
