//! Compares our pool, fork-join and scoped map with rayon and threadpool.
//!
//! `cargo bench -p peers --bench threads` measures everything, and `… -- map` only the comparisons
//! with `map` in their names.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use context_switch::sampling::Comparison;
use context_switch::{Pinned, Placement};
use rayon::prelude::*;

const WORKERS: usize = 2;
/// One operation of a comparison of pools runs this many jobs.
const JOBS: usize = 1_000;

fn main() {
    peers::run(
        &[
            ("pool, 1000 jobs that do nothing", || pool(0)),
            ("pool, 1000 jobs of about 2 µs", || pool(2)),
            ("pool, 1000 results", pool_results),
            ("fork-join, fibonacci(20) to the last leaf", fibonacci),
            ("fork-join, sum of a million, cut off at 10000", sum),
            ("map, 200 items of about 50 µs", || map(200, 50)),
            ("map, 10000 items of about 1 µs", || map(10_000, 1)),
        ],
        Duration::from_secs(2),
    );
}

/// Computes for about this many microseconds.
fn work(micros: u32) -> u64 {
    let mut value = 1_u64;
    for _ in 0..micros * 600 {
        value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).rotate_left(7));
    }
    value
}

fn rayon_pool() -> rayon::ThreadPool {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(WORKERS);
    builder.build().expect("two threads")
}

/// Hands [`JOBS`] jobs to `submit`, and waits until they are done.
fn batch(micros: u32, submit: impl Fn(Box<dyn FnOnce() + Send>)) -> impl FnMut() {
    let left = Arc::new(AtomicUsize::new(0));
    let all_done = Arc::new(sync::Semaphore::new(0));
    move || {
        left.store(JOBS, Relaxed);
        for _ in 0..JOBS {
            let (left, all_done) = (Arc::clone(&left), Arc::clone(&all_done));
            submit(Box::new(move || {
                black_box(work(micros));
                if left.fetch_sub(1, Relaxed) == 1 {
                    let _there_is_room = all_done.release(1);
                }
            }));
        }
        all_done.acquire().forget();
    }
}

/// Pins this thread to one of two CPUs, if there are two. Threads that it starts inherit this.
fn pinned(which: usize) -> Option<Pinned> {
    let cpus = Placement::TwoCpus.cpus().ok()?;
    Pinned::to(cpus[which]).ok()
}

/// Makes the pools, with their workers on one CPU and the submitting thread on another. If the
/// scheduler decided, they would sometimes share a CPU and sometimes not. This changes the time of
/// each pool several-fold, and not at the same moment for all pools.
fn pools() -> (
    threads::Pool,
    rayon::ThreadPool,
    threadpool::ThreadPool,
    Option<Pinned>,
) {
    let there = pinned(1);
    let ours = threads::Pool::new(WORKERS, JOBS).expect("two threads");
    let theirs = rayon_pool();
    let threadpool = threadpool::ThreadPool::new(WORKERS);
    drop(there);
    (ours, theirs, threadpool, pinned(0))
}

fn pool(micros: u32) -> Comparison<'static> {
    let (ours, theirs, threadpool, here) = pools();
    let execute = move |job| {
        let _until_the_end = &here;
        ours.execute(job).expect("it is open");
    };
    Comparison::of("ours", batch(micros, execute))
        .against("rayon", batch(micros, move |job| theirs.spawn(job)))
        .against(
            "threadpool",
            batch(micros, move |job| threadpool.execute(job)),
        )
}

/// Measures jobs that return a result. The jobs of the other pools send it through a channel.
fn pool_results() -> Comparison<'static> {
    let (ours, theirs, threadpool, here) = pools();
    Comparison::of("ours", move || {
        let _until_the_end = &here;
        let jobs: Vec<_> = (0..JOBS)
            .map(|n| ours.submit(move || n).expect("it is open"))
            .collect();
        jobs.into_iter()
            .map(|job| job.wait().expect("no panic"))
            .sum::<usize>()
    })
    .against("rayon and channels", move || {
        let jobs: Vec<_> = (0..JOBS)
            .map(|n| {
                let (send, receive) = std::sync::mpsc::sync_channel(1);
                theirs.spawn(move || send.send(n).expect("somebody waits"));
                receive
            })
            .collect();
        jobs.into_iter()
            .map(|job| job.recv().expect("no panic"))
            .sum::<usize>()
    })
    .against("threadpool and channels", move || {
        let jobs: Vec<_> = (0..JOBS)
            .map(|n| {
                let (send, receive) = std::sync::mpsc::sync_channel(1);
                threadpool.execute(move || send.send(n).expect("somebody waits"));
                receive
            })
            .collect();
        jobs.into_iter()
            .map(|job| job.recv().expect("no panic"))
            .sum::<usize>()
    })
}

/// Makes a pool of ours and one of rayon's, each with one worker on each of two CPUs. If the
/// scheduler decided, both workers of a pool could land on one CPU, and the ratio would only say
/// which pool was lucky. The calling thread stays on the first CPU until the last of the three values
/// is dropped.
fn fork_join_pools() -> (threads::ForkJoin, rayon::ThreadPool, Option<Pinned>) {
    let (ours, theirs) = (
        threads::ForkJoin::new(WORKERS).expect("two threads"),
        rayon_pool(),
    );
    // The worker stays pinned until it ends.
    let stay = |which| std::mem::forget(pinned(which));
    // Neither closure returns before the other has begun, so each worker runs one of them.
    let both = Barrier::new(WORKERS);
    let meet = |which| {
        both.wait();
        stay(which);
    };
    ours.run(|| threads::join(|| meet(0), || meet(1)));
    theirs.broadcast(|worker| stay(worker.index()));
    (ours, theirs, pinned(0))
}

fn fibonacci() -> Comparison<'static> {
    fn ours(n: u32) -> u64 {
        if n < 2 {
            return n.into();
        }
        let (a, b) = threads::join(|| ours(n - 1), || ours(n - 2));
        a + b
    }
    fn theirs(n: u32) -> u64 {
        if n < 2 {
            return n.into();
        }
        let (a, b) = rayon::join(|| theirs(n - 1), || theirs(n - 2));
        a + b
    }
    let (pool, rayon, here) = fork_join_pools();
    Comparison::of("ours", move || {
        let _until_the_end = &here;
        pool.run(|| ours(black_box(20)))
    })
    .against("rayon", move || rayon.install(|| theirs(black_box(20))))
}

fn sum() -> Comparison<'static> {
    const CUT_OFF: usize = 10_000;
    fn ours(numbers: &[u64]) -> u64 {
        if numbers.len() <= CUT_OFF {
            return numbers.iter().fold(0, |sum, n| black_box(sum + n));
        }
        let (left, right) = numbers.split_at(numbers.len() / 2);
        let (left, right) = threads::join(|| ours(left), || ours(right));
        left + right
    }
    fn theirs(numbers: &[u64]) -> u64 {
        if numbers.len() <= CUT_OFF {
            return numbers.iter().fold(0, |sum, n| black_box(sum + n));
        }
        let (left, right) = numbers.split_at(numbers.len() / 2);
        let (left, right) = rayon::join(|| theirs(left), || theirs(right));
        left + right
    }
    let numbers: Arc<[u64]> = (0..1_000_000).collect();
    let same = Arc::clone(&numbers);
    let (pool, rayon, here) = fork_join_pools();
    Comparison::of("ours", move || {
        let _until_the_end = &here;
        pool.run(|| ours(&numbers))
    })
    .against("rayon", move || rayon.install(|| theirs(&same)))
}

/// Compares the maps. Ours starts and ends its threads in each call; rayon's threads exist already.
fn map(items: u32, micros: u32) -> Comparison<'static> {
    let rayon = rayon_pool();
    Comparison::of("ours", move || {
        threads::map(WORKERS, 0..items, |n| work(micros) ^ u64::from(n))
    })
    .against("rayon", move || {
        rayon.install(|| {
            let items = (0..items).into_par_iter();
            items
                .map(|n| work(micros) ^ u64::from(n))
                .collect::<Vec<_>>()
        })
    })
}
