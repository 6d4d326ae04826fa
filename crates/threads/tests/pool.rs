//! The bounded pool.

#[path = "../../sync/tests/common/mod.rs"]
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;

use common::Sleeper;
use sync::{Barrier, Semaphore};
use threads::{JobError, Pool, PoolError, Why, message_of};

/// Keeps a worker of the pool busy until this is dropped; returns when it is.
fn keep_busy(pool: &Pool) -> mpsc::Sender<()> {
    let (hold, held) = mpsc::channel();
    let (begun, wait) = mpsc::channel();
    pool.submit(move || {
        begun.send(()).unwrap();
        let _until_dropped = held.recv();
    })
    .unwrap();
    wait.recv().unwrap();
    hold
}

#[test]
fn results_belong_to_their_jobs() {
    let pool = Pool::new(3, 2).unwrap();
    let jobs: Vec<_> = (0..100)
        .map(|n| pool.submit(move || n * n).unwrap())
        .collect();
    for (n, job) in jobs.into_iter().enumerate() {
        assert_eq!(job.wait().unwrap(), n * n);
    }
}

#[test]
fn as_many_jobs_run_at_once_as_there_are_workers() {
    let pool = Pool::new(3, 8).unwrap();
    let (all_there, running) = (Arc::new(Barrier::new(3)), Arc::new(AtomicUsize::new(0)));
    let jobs: Vec<_> = (0..6)
        .map(|_| {
            let (all_there, running) = (Arc::clone(&all_there), Arc::clone(&running));
            pool.submit(move || {
                let now = running.fetch_add(1, Relaxed) + 1;
                all_there.wait();
                running.fetch_sub(1, Relaxed);
                now
            })
            .unwrap()
        })
        .collect();
    for job in jobs {
        assert!(job.wait().unwrap() <= 3);
    }
}

#[test]
fn a_full_queue_holds_the_submitter_back() {
    let pool = Pool::new(1, 2).unwrap();
    let busy = keep_busy(&pool);
    for _ in 0..2 {
        pool.try_submit(|| ()).unwrap();
    }
    let rejected = pool.try_submit(|| 7).unwrap_err();
    assert_eq!((rejected.why, (rejected.job)()), (Why::Full, 7));
    assert_eq!(pool.queued(), 2);
    thread::scope(|scope| {
        let waits = Sleeper::spawn(scope, || pool.submit(|| 8).unwrap());
        drop(busy);
        assert_eq!(waits.join().wait().unwrap(), 8);
    });
}

#[test]
fn a_panic_ends_the_job_and_not_the_worker() {
    let pool = Pool::new(1, 4).unwrap();
    let before = pool.submit(|| thread::current().id()).unwrap();
    let panics = pool
        .submit(|| -> u8 { std::panic::resume_unwind(Box::new("no milk")) })
        .unwrap();
    let after = pool.submit(|| thread::current().id()).unwrap();
    match panics.wait().unwrap_err() {
        JobError::Panicked(payload) => assert_eq!(message_of(&*payload), "no milk"),
        other @ JobError::Dropped => panic!("{other}"),
    }
    assert_eq!(before.wait().unwrap(), after.wait().unwrap());
}

#[test]
fn a_panic_in_the_destructor_of_an_unwanted_result_is_contained() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !thread::panicking() {
                std::panic::resume_unwind(Box::new(Bomb)); // and so is its payload's, by forgetting it
            }
        }
    }
    let pool = Pool::new(1, 4).unwrap();
    drop(pool.submit(|| Bomb).unwrap());
    drop(pool.submit(|| std::panic::panic_any(())).unwrap());
    assert_eq!(pool.submit(|| 1).unwrap().wait().unwrap(), 1);
}

#[test]
fn a_job_without_a_handle_runs_and_panics_alone() {
    let pool = Pool::new(1, 4).unwrap();
    let (done, wait) = mpsc::channel();
    let panics = || std::panic::resume_unwind(Box::new("unheard"));
    pool.execute(panics).unwrap();
    pool.execute(move || done.send(7).unwrap()).unwrap();
    assert_eq!(wait.recv(), Ok(7));
    pool.close();
    assert_eq!(pool.execute(|| ()).unwrap_err().why, Why::Closed);
}

#[test]
fn dropping_the_pool_finishes_what_is_queued() {
    let done = Arc::new(AtomicUsize::new(0));
    let pool = Pool::new(2, 100).unwrap();
    for _ in 0..100 {
        let done = Arc::clone(&done);
        pool.submit(move || done.fetch_add(1, Relaxed)).unwrap();
    }
    drop(pool);
    assert_eq!(done.load(Relaxed), 100);
}

#[test]
fn shutting_down_now_drops_what_has_not_begun_and_finishes_what_has() {
    let pool = Pool::new(1, 10).unwrap();
    let (go_on, wait) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (theirs, begun) = (Arc::clone(&go_on), Arc::clone(&wait));
    let running = pool.submit(move || {
        begun.release(1).unwrap();
        theirs.acquire().forget();
        "done"
    });
    wait.acquire().forget();
    let queued: Vec<_> = (0..3).map(|n| pool.submit(move || n).unwrap()).collect();
    let ends = thread::spawn(move || pool.shutdown_now());
    for job in queued {
        // It is told while the running job still runs.
        assert!(matches!(job.wait(), Err(JobError::Dropped)));
    }
    go_on.release(1).unwrap();
    assert_eq!(ends.join().unwrap(), 3);
    assert_eq!(running.unwrap().wait().unwrap(), "done");
}

#[test]
fn a_closed_pool_takes_no_jobs_and_rejects_who_waits_for_room() {
    let pool = Pool::new(1, 1).unwrap();
    let busy = keep_busy(&pool);
    let queued = pool.submit(|| 1).unwrap();
    thread::scope(|scope| {
        let submit = || pool.submit(|| 2).map(drop).map_err(|rejected| rejected.why);
        let waiting = [(); 2].map(|()| Sleeper::spawn(scope, submit));
        pool.close();
        for waits in waiting {
            assert_eq!(waits.join(), Err(Why::Closed));
        }
    });
    let rejected = pool.submit(|| 3).unwrap_err();
    assert_eq!((rejected.why, (rejected.job)()), (Why::Closed, 3));
    assert!(rejected_text(&pool).contains("closed"));
    drop(busy);
    assert_eq!(queued.wait().unwrap(), 1);
}

fn rejected_text(pool: &Pool) -> String {
    pool.try_submit(|| ()).unwrap_err().to_string()
}

#[test]
fn a_worker_does_not_wait_for_room_in_its_own_queue() {
    let pool = Arc::new(Pool::new(1, 1).unwrap());
    let theirs = Arc::clone(&pool);
    let (filled, wait) = mpsc::channel();
    let job = pool.submit(move || {
        theirs.submit(|| ()).unwrap(); // there is room for one
        filled.send(()).unwrap();
        theirs.submit(|| ()).unwrap_err().why
    });
    wait.recv().unwrap();
    assert_eq!(job.unwrap().wait().unwrap(), Why::Full);
}

#[test]
fn a_job_may_own_the_last_handle_of_its_pool() {
    let pool = Arc::new(Pool::new(1, 1).unwrap());
    let theirs = Arc::clone(&pool);
    let (dropped_here, wait) = mpsc::channel::<()>();
    let job = pool.submit(move || {
        wait.recv().unwrap();
        drop(theirs);
    });
    drop(pool);
    dropped_here.send(()).unwrap();
    job.unwrap().wait().unwrap();
}

#[test]
fn a_pool_of_nothing_is_refused() {
    assert!(matches!(Pool::new(0, 1), Err(PoolError::NoWorkers)));
    let no_room = Pool::new(1, 0).unwrap_err();
    assert_eq!(
        no_room.to_string(),
        "a queue with room for 0 jobs never takes one; ask for 1 or more"
    );
}
