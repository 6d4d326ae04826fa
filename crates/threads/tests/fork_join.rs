//! Fork and join.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use sync::Barrier;
use threads::{ForkJoin, PoolError, join, message_of};

fn fibonacci(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let (a, b) = join(|| fibonacci(n - 1), || fibonacci(n - 2));
    a + b
}

/// As a half of a join, without its result.
fn meet(barrier: &Barrier) {
    barrier.wait();
}

fn panic_with(message: &'static str) -> u8 {
    std::panic::resume_unwind(Box::new(message))
}

#[test]
fn nested_joins_work_in_pools_of_any_size() {
    for workers in [1, 2, 5] {
        assert_eq!(ForkJoin::new(workers).unwrap().run(|| fibonacci(16)), 987);
    }
}

#[test]
fn a_join_outside_a_pool_runs_both_here() {
    let here = thread::current().id();
    let ids = join(|| thread::current().id(), || thread::current().id());
    assert_eq!(ids, (here, here));
}

#[test]
fn both_halves_can_run_at_once() {
    let pool = ForkJoin::new(2).unwrap();
    let both = Barrier::new(2); // one after the other they would wait for ever
    for _ in 0..50 {
        let leaders = pool.run(|| join(|| both.wait(), || both.wait()));
        assert!(leaders.0 != leaders.1);
    }
}

#[test]
fn work_reaches_workers_that_have_gone_to_sleep() {
    let pool = ForkJoin::new(3).unwrap();
    let all = Barrier::new(3);
    for _ in 0..50 {
        pool.run(|| {
            join(
                || meet(&all),
                || {
                    join(|| meet(&all), || meet(&all));
                },
            )
        });
    }
}

#[test]
fn what_is_borrowed_is_there_until_both_have_ended() {
    let pool = ForkJoin::new(2).unwrap();
    let mut numbers: Vec<u32> = (0..1_000).rev().collect();
    fn sort(numbers: &mut [u32]) {
        if numbers.len() < 2 {
            return;
        }
        let pivot = numbers.len() - 1;
        let mut boundary = 0;
        for n in 0..pivot {
            if numbers[n] < numbers[pivot] {
                numbers.swap(n, boundary);
                boundary += 1;
            }
        }
        numbers.swap(boundary, pivot);
        let (left, right) = numbers.split_at_mut(boundary);
        join(|| sort(left), || sort(&mut right[1..]));
    }
    let mut state = 1_u32;
    for n in (1..numbers.len()).rev() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        numbers.swap(n, state as usize % (n + 1));
    }
    pool.run(|| sort(&mut numbers));
    assert!(numbers.is_sorted());
}

#[test]
fn a_panic_of_either_reaches_the_caller_when_both_have_ended() {
    for workers in [1, 2] {
        let pool = ForkJoin::new(workers).unwrap();
        let caught = |f: &(dyn Fn() -> (u8, u8) + Sync)| {
            let caught = catch_unwind(AssertUnwindSafe(|| pool.run(f)));
            message_of(&*caught.unwrap_err()).to_owned()
        };
        let other = AtomicUsize::new(0);
        let count = || {
            other.fetch_add(1, Relaxed);
            0
        };
        assert_eq!(caught(&|| join(|| panic_with("a"), count)), "a");
        other.store(0, Relaxed);
        assert_eq!(caught(&|| join(count, || panic_with("b"))), "b");
        assert_eq!(other.load(Relaxed), 1);
        assert_eq!(
            caught(&|| join(|| panic_with("a"), || panic_with("b"))),
            "a"
        );
        assert_eq!(caught(&|| (panic_with("run"), 0)), "run");
        assert_eq!(pool.run(|| fibonacci(10)), 55, "the pool is as before");
    }
}

#[test]
fn a_stolen_half_that_panics_is_waited_for() {
    let pool = ForkJoin::new(2).unwrap();
    let both = Barrier::new(2);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        pool.run(|| {
            join(
                || meet(&both),
                || {
                    both.wait();
                    panic_with("stolen")
                },
            )
        })
    }));
    assert_eq!(message_of(&*caught.unwrap_err()), "stolen");
}

#[test]
fn many_threads_run_in_one_pool() {
    let pool = ForkJoin::new(2).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| assert_eq!(pool.run(|| fibonacci(8)), 21)));
        }
    });
}

#[test]
fn a_run_within_a_run_stays_on_its_worker() {
    let pool = ForkJoin::new(1).unwrap();
    let ids = pool.run(|| (thread::current().id(), pool.run(|| thread::current().id())));
    assert_eq!(ids.0, ids.1);
    // In another pool it is another's.
    let other = ForkJoin::new(1).unwrap();
    assert_ne!(pool.run(|| other.run(|| thread::current().id())), ids.0);
}

#[test]
fn two_pools_may_run_and_fork_in_each_other_to_any_depth() {
    /// Counts the leaves of a tree whose levels belong to the two pools in turn.
    fn leaves(here: &ForkJoin, there: &ForkJoin, depth: u32) -> u32 {
        if depth == 0 {
            return 1;
        }
        let half = || there.run(|| leaves(there, here, depth - 1));
        let (left, right) = join(half, half);
        left + right
    }
    for workers in [[1, 1], [1, 2], [2, 3]] {
        let [one, other] = workers.map(|workers| ForkJoin::new(workers).unwrap());
        thread::scope(|scope| {
            let thread = scope.spawn(|| other.run(|| leaves(&other, &one, 6)));
            assert_eq!(one.run(|| leaves(&one, &other, 6)), 64);
            assert_eq!(thread.join().unwrap(), 64);
        });
    }
}

#[test]
fn a_panic_in_another_pool_reaches_the_worker_that_waits() {
    let (one, other) = (ForkJoin::new(1).unwrap(), ForkJoin::new(1).unwrap());
    let caught = catch_unwind(AssertUnwindSafe(|| {
        one.run(|| other.run(|| one.run(|| panic_with("there and back"))))
    }));
    assert_eq!(message_of(&*caught.unwrap_err()), "there and back");
    assert_eq!(one.run(|| other.run(|| 7)), 7, "the pools are as before");
}

#[test]
fn a_pool_of_no_workers_is_refused_and_an_idle_one_ends() {
    assert!(matches!(ForkJoin::new(0), Err(PoolError::NoWorkers)));
    drop(ForkJoin::new(4).unwrap());
}
