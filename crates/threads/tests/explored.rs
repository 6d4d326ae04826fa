//! Everything, explored: all executions, as far as the budgets go. Of fork and join that is how its
//! workers sleep and wake up and how results are handed over; crossbeam's deques are replaced by
//! queues under locks.

use interleave::Explore;

fn explore() -> Explore {
    Explore::new().executions(1_000).scenario_file(file!())
}

interleave::hold! {
    explore();
    no_job_is_slept_through
    two_workers_share_what_comes
    jobs_that_wait_for_each_other_reach_both_workers
    a_full_queue_lets_its_submitter_go_on
    closing_wakes_who_waits_for_room
    a_worker_of_another_pool_waits_for_room
    closing_rejects_all_who_wait_for_room_that_never_comes
    a_cancelled_task_is_woken_wherever_it_is
    progress_is_seen_or_the_end_is
    a_map_gives_every_item_to_one_worker
    a_collector_misses_nothing
    a_run_in_a_pool_of_one_ends
    a_run_within_a_run_stays_on_its_worker
    a_join_ends_whoever_takes_its_half
    halves_that_wait_for_each_other_reach_both_workers
    a_worker_that_waits_is_woken_although_another_one_sleeps_for_longer
    two_threads_that_run_in_one_pool_are_both_woken
    a_worker_that_waits_for_another_pool_runs_what_comes_back_to_its_own
    two_pools_that_run_in_each_other_at_once_both_end
}

interleave::scenarios! {
    exercise = threads_explored;

    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::time::Duration;

    use exercise::{BackgroundTask, ForkJoin, PerThread, Pool, Why};

    pub fn no_job_is_slept_through() {
        let pool = Pool::new(1, 1).unwrap();
        let payload = Arc::new(Tracked::new(1));
        for expected in [2, 3] {
            let theirs = Arc::clone(&payload);
            let job = pool.submit(move || theirs.update(|n| n + 1)).unwrap();
            job.wait().unwrap();
            assert_eq!(payload.get(), expected);
        }
    }

    pub fn two_workers_share_what_comes() {
        let pool = Pool::new(2, 2).unwrap();
        let done = Arc::new(AtomicU32::new(0));
        for _ in 0..3 {
            let done = Arc::clone(&done);
            pool.execute(move || { done.fetch_add(1, Relaxed); }).unwrap();
        }
        drop(pool);
        assert_eq!(done.load(Relaxed), 3);
    }

    pub fn jobs_that_wait_for_each_other_reach_both_workers() {
        let pool = Pool::new(2, 2).unwrap();
        let both = Arc::new(std::sync::Barrier::new(2));
        let jobs = [(); 2].map(|()| {
            let both = Arc::clone(&both);
            pool.submit(move || both.wait().is_leader()).unwrap()
        });
        let leaders = jobs.map(|job| job.wait().unwrap());
        assert!(leaders[0] != leaders[1]);
    }

    pub fn a_full_queue_lets_its_submitter_go_on() {
        let pool = Pool::new(1, 1).unwrap();
        let jobs: Vec<_> = (0..3).map(|n| pool.submit(move || n).unwrap()).collect();
        for (n, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.wait().unwrap(), n);
        }
    }

    pub fn closing_wakes_who_waits_for_room() {
        let pool = Arc::new(Pool::new(1, 1).unwrap());
        let theirs = Arc::clone(&pool);
        let submitter = thread::spawn(move || {
            for _ in 0..2 {
                if let Err(rejected) = theirs.submit(|| ()) {
                    assert_eq!(rejected.why, Why::Closed);
                }
            }
        });
        pool.close();
        submitter.join().unwrap();
    }

    /// Only a worker of the full pool itself must not wait for room in it.
    pub fn a_worker_of_another_pool_waits_for_room() {
        let (full, other) = (Arc::new(Pool::new(1, 1).unwrap()), Pool::new(1, 1).unwrap());
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        full.execute(move || assert!(held.recv().is_err())).unwrap();
        full.execute(|| ()).unwrap();
        let theirs = Arc::clone(&full);
        let job = other.submit(move || theirs.execute(|| ()).is_ok()).unwrap();
        drop(let_go);
        assert!(job.wait().unwrap());
    }

    pub fn closing_rejects_all_who_wait_for_room_that_never_comes() {
        let pool = Arc::new(Pool::new(1, 1).unwrap());
        let (let_go, held) = std::sync::mpsc::channel::<()>();
        pool.execute(move || assert!(held.recv().is_err())).unwrap();
        // This waits until the worker has begun the first job. Now the queue is full and stays full.
        pool.execute(|| ()).unwrap();
        let submitters = [(); 2].map(|()| {
            let theirs = Arc::clone(&pool);
            thread::spawn(move || theirs.execute(|| ()).map_err(|rejected| rejected.why))
        });
        pool.close();
        for submitter in submitters {
            assert_eq!(submitter.join().unwrap(), Err(Why::Closed));
        }
        drop(let_go);
    }

    pub fn a_cancelled_task_is_woken_wherever_it_is() {
        let task = BackgroundTask::spawn("sleeps", |task| {
            task.report(1, 2);
            task.sleep(Duration::MAX)
        }).unwrap();
        task.cancel();
        assert!(task.join().unwrap().is_err());
    }

    pub fn progress_is_seen_or_the_end_is() {
        let task = BackgroundTask::spawn("reports", |task| task.report(1, 1)).unwrap();
        assert_eq!(task.wait_for(|progress| progress.done == 1).done, 1);
        assert_eq!(task.wait_for(|progress| progress.done == 2).done, 1);
        assert!(task.is_finished());
    }

    pub fn a_map_gives_every_item_to_one_worker() {
        let items: Vec<_> = (0..3).map(Tracked::new).collect();
        let results = exercise::map(2, items, |item| item.into_inner() * 2);
        assert_eq!(results, [0, 2, 4]);
    }

    pub fn a_run_in_a_pool_of_one_ends() {
        let pool = ForkJoin::new(1).unwrap();
        let nested = || exercise::join(|| 1, || exercise::join(|| 2, || 3));
        assert_eq!(pool.run(nested), (1, (2, 3)));
    }

    pub fn a_run_within_a_run_stays_on_its_worker() {
        let pool = ForkJoin::new(2).unwrap();
        let here = || thread::current().id();
        let (outer, inner) = pool.run(|| (here(), pool.run(here)));
        assert_eq!(outer, inner);
    }

    /// The results come back by way of a latch. (The jobs go by way of the deques, which the memory
    /// model does not see: nothing that is tracked may be borrowed.)
    pub fn a_join_ends_whoever_takes_its_half() {
        let pool = ForkJoin::new(2).unwrap();
        let (left, right) = pool.run(|| {
            let (left, right) = exercise::join(|| Tracked::new(1), || Tracked::new(2));
            right.update(|n| n + left.get());
            (left, right)
        });
        assert_eq!((left.get(), right.get()), (1, 3));
    }

    pub fn halves_that_wait_for_each_other_reach_both_workers() {
        let pool = ForkJoin::new(2).unwrap();
        let both = std::sync::Barrier::new(2);
        // The second time the workers have fallen asleep, as a rule.
        for _ in 0..2 {
            let leaders = pool.run(|| {
                exercise::join(|| both.wait().is_leader(), || both.wait().is_leader())
            });
            assert!(leaders.0 != leaders.1);
        }
    }

    /// Three workers: the first waits for its second half, another one runs that half, and the third
    /// has nothing to do. A wake-up for one thread would reach the third, which has slept for longer.
    pub fn a_worker_that_waits_is_woken_although_another_one_sleeps_for_longer() {
        let pool = ForkJoin::new(3).unwrap();
        let both = std::sync::Barrier::new(2);
        let leaders = pool.run(|| {
            exercise::join(|| both.wait().is_leader(), || both.wait().is_leader())
        });
        assert!(leaders.0 != leaders.1);
    }

    /// The thread whose job is done first need not be the one that has slept for longer.
    pub fn two_threads_that_run_in_one_pool_are_both_woken() {
        let pool = Arc::new(ForkJoin::new(1).unwrap());
        let theirs = Arc::clone(&pool);
        let thread = thread::spawn(move || theirs.run(|| 1));
        assert_eq!(pool.run(|| 2), 2);
        assert_eq!(thread.join().unwrap(), 1);
    }

    pub fn a_worker_that_waits_for_another_pool_runs_what_comes_back_to_its_own() {
        let (one, other) = (ForkJoin::new(1).unwrap(), ForkJoin::new(1).unwrap());
        let result = one.run(|| {
            let there = other.run(|| one.run(|| Tracked::new(1)));
            there.update(|n| n + 1);
            there
        });
        assert_eq!(result.get(), 2);
    }

    pub fn two_pools_that_run_in_each_other_at_once_both_end() {
        let pools = Arc::new((ForkJoin::new(1).unwrap(), ForkJoin::new(1).unwrap()));
        let theirs = Arc::clone(&pools);
        let thread = thread::spawn(move || theirs.0.run(|| theirs.1.run(|| 1)));
        assert_eq!(pools.1.run(|| pools.0.run(|| 2)), 2);
        assert_eq!(thread.join().unwrap(), 1);
    }

    pub fn a_collector_misses_nothing() {
        let count = Arc::new(PerThread::new(|| 0));
        let theirs = Arc::clone(&count);
        let thread = thread::spawn(move || {
            theirs.with(|count| *count += 1);
            theirs.with(|count| *count += 1);
        });
        let mut sum = 0;
        let mut collect = || sum += count.collect().iter().map(|(_, count)| count).sum::<i32>();
        collect();
        thread.join().unwrap();
        collect();
        assert_eq!(sum, 2);
    }
}
