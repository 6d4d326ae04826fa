//! Compares exploring with ours, loom and shuttle's depth-first search, each without a bound on
//! interruptions. For each program it prints how many runs an explorer takes, in what time, and what
//! it says. Ours also says how many executions there are; the others do not know.
//!
//! All programs are right. An explorer that has not finished after [`PATIENCE`] is stopped. One that
//! is quick is run several times, and the time in the middle counts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use interleave::Explore;

/// How long each explorer may take for one program.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does something once, or, if that is quick, several times. Returns the time in the middle.
fn timed<R>(mut body: impl FnMut() -> R) -> (R, Duration) {
    const TIMES: usize = 11;
    const QUICK: Duration = Duration::from_millis(100);
    let mut once = || {
        let begun = Instant::now();
        (body(), begun.elapsed())
    };
    let (result, time) = once();
    if time > QUICK {
        return (result, time);
    }
    let mut times: Vec<_> = (0..TIMES).map(|_| once().1).collect();
    times.sort();
    (result, times[TIMES / 2])
}

/// Programs, for any std that is named `world`.
macro_rules! programs {
    ($name:ident, $($world:tt)*) => {
        mod $name {
            use $($world)*::hint::spin_loop;
            use $($world)*::sync::atomic::{AtomicBool, AtomicU32, Ordering::*, fence};
            use $($world)*::sync::{Arc, Condvar, Mutex, mpsc};
            use $($world)*::thread;

            fn all(count: usize, body: impl Fn(usize) + Send + Sync + 'static) {
                let body = Arc::new(body);
                let threads: Vec<_> = (1..count)
                    .map(|number| {
                        let body = Arc::clone(&body);
                        thread::spawn(move || body(number))
                    })
                    .collect();
                body(0);
                for thread in threads {
                    thread.join().unwrap();
                }
            }

            pub(super) fn counter(threads: usize, times: u32) {
                let counter = Arc::new(AtomicU32::new(0));
                let theirs = Arc::clone(&counter);
                all(threads, move |_| {
                    for _ in 0..times {
                        theirs.fetch_add(1, Relaxed);
                    }
                });
            }

            pub(super) fn spin_lock(threads: usize) {
                let lock = Arc::new((AtomicBool::new(false), AtomicU32::new(0)));
                let theirs = Arc::clone(&lock);
                all(threads, move |_| {
                    while theirs.0.compare_exchange(false, true, Acquire, Relaxed).is_err() {
                        spin_loop();
                    }
                    theirs.1.store(theirs.1.load(Relaxed) + 1, Relaxed);
                    theirs.0.store(false, Release);
                });
                assert_eq!(lock.1.load(Relaxed) as usize, threads);
            }

            pub(super) fn bounded_buffer() {
                let shared = Arc::new((Mutex::new(0_u32), Condvar::new(), Condvar::new()));
                let theirs = Arc::clone(&shared);
                all(3, move |number| {
                    let (items, not_empty, not_full) = &*theirs;
                    if number == 0 {
                        for _ in 0..2 {
                            let mut count = items.lock().unwrap();
                            while *count == 1 {
                                count = not_full.wait(count).unwrap();
                            }
                            *count += 1;
                            drop(count);
                            not_empty.notify_one();
                        }
                    } else {
                        let mut count = items.lock().unwrap();
                        while *count == 0 {
                            count = not_empty.wait(count).unwrap();
                        }
                        *count -= 1;
                        drop(count);
                        not_full.notify_one();
                    }
                });
            }

            pub(super) fn channel() {
                let (sender, receiver) = mpsc::channel();
                let threads: Vec<_> = (0..2_u32)
                    .map(|number| {
                        let sender = sender.clone();
                        thread::spawn(move || sender.send(number).unwrap())
                    })
                    .collect();
                let sum = receiver.recv().unwrap() + receiver.recv().unwrap();
                assert_eq!(sum, 1);
                for thread in threads {
                    thread.join().unwrap();
                }
                drop(sender);
            }

            pub(super) fn peterson() {
                let shared = Arc::new((
                    [AtomicBool::new(false), AtomicBool::new(false)],
                    AtomicU32::new(0),
                    AtomicU32::new(0),
                ));
                let theirs = Arc::clone(&shared);
                all(2, move |me| {
                    let (wants, turn, value) = &*theirs;
                    wants[me].store(true, SeqCst);
                    turn.store(1 - me as u32, SeqCst);
                    while wants[1 - me].load(SeqCst) && turn.load(SeqCst) != me as u32 {
                        spin_loop();
                    }
                    value.store(value.load(Relaxed) + 1, Relaxed);
                    wants[me].store(false, SeqCst);
                });
                assert_eq!(shared.2.load(Relaxed), 2);
            }

            pub(super) fn seqlock() {
                let shared = Arc::new((AtomicU32::new(0), [AtomicU32::new(0), AtomicU32::new(0)]));
                let theirs = Arc::clone(&shared);
                all(2, move |number| {
                    let (version, data) = &*theirs;
                    if number == 0 {
                        version.store(1, Relaxed);
                        fence(Release);
                        data[0].store(7, Relaxed);
                        data[1].store(7, Relaxed);
                        version.store(2, Release);
                    } else {
                        loop {
                            let before = version.load(Acquire);
                            let seen = [data[0].load(Relaxed), data[1].load(Relaxed)];
                            fence(Acquire);
                            let after = version.load(Relaxed);
                            if before == after && before % 2 == 0 {
                                assert_eq!(seen[0], seen[1]);
                                break;
                            }
                            spin_loop();
                        }
                    }
                });
            }
        }
    };
}

programs!(ours, interleave::std);
programs!(shuttles, shuttle);
programs!(looms, loom);

type Program = fn();

fn main() {
    // Explorers end the threads of an execution by panics, and report failures by panics.
    std::panic::set_hook(Box::new(|_| {}));
    let programs: [(&str, Program, Program, Program); 11] = [
        (
            "2 threads add 3 times",
            || ours::counter(2, 3),
            || looms::counter(2, 3),
            || shuttles::counter(2, 3),
        ),
        (
            "3 threads add twice",
            || ours::counter(3, 2),
            || looms::counter(3, 2),
            || shuttles::counter(3, 2),
        ),
        (
            "3 threads add 3 times",
            || ours::counter(3, 3),
            || looms::counter(3, 3),
            || shuttles::counter(3, 3),
        ),
        (
            "spin lock, 2 threads",
            || ours::spin_lock(2),
            || looms::spin_lock(2),
            || shuttles::spin_lock(2),
        ),
        (
            "spin lock, 3 threads",
            || ours::spin_lock(3),
            || looms::spin_lock(3),
            || shuttles::spin_lock(3),
        ),
        (
            "bounded buffer, 2 consumers",
            ours::bounded_buffer,
            looms::bounded_buffer,
            shuttles::bounded_buffer,
        ),
        (
            "mpsc channel, 2 senders",
            ours::channel,
            looms::channel,
            shuttles::channel,
        ),
        (
            "Peterson's lock, SeqCst",
            ours::peterson,
            looms::peterson,
            shuttles::peterson,
        ),
        ("seqlock", ours::seqlock, looms::seqlock, shuttles::seqlock),
        ("futex mutex, 2 threads", || futex_mutex(2), || {}, || {}),
        ("futex mutex, 3 threads", || futex_mutex(3), || {}, || {}),
    ];
    println!(
        "{:28} {:>10} {:>9} {:>10}   {:>9} {:>11}   {:>9} {:>11}",
        "program",
        "executions",
        "our runs",
        "our time",
        "loom runs",
        "loom time",
        "shuttle's",
        "time"
    );
    for (name, ours, loom, shuttle) in programs {
        let explore = Explore::new()
            .scenario_file("")
            .executions(1_000_000)
            .time(PATIENCE);
        let (found, time) = timed(|| explore.of(ours));
        let verdict = match (&found.failure, found.complete) {
            (Some(failure), _) => format!("rejects it: {}", failure.message),
            (None, true) => found.executions.to_string(),
            (None, false) => format!(">{}", found.executions),
        };
        println!(
            "{name:28} {verdict:>10} {:>9} {:>10}   {}   {}",
            found.runs,
            millis(time),
            by(name, loom, by_loom),
            by(name, shuttle, by_shuttle),
        );
    }
}

/// Runs another explorer, and counts its runs.
fn by(name: &str, program: Program, explore: fn(Arc<dyn Fn() + Send + Sync>) -> bool) -> String {
    if name.starts_with("futex") {
        return format!("{:>9} {:>11}", "–", "no futex");
    }
    let runs = Arc::new(AtomicU64::new(0));
    let counting = Arc::clone(&runs);
    let program: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        counting.fetch_add(1, Ordering::Relaxed);
        program();
    });
    let (ended, time) = timed(|| {
        runs.store(0, Ordering::Relaxed);
        let program = Arc::clone(&program);
        catch_unwind(AssertUnwindSafe(|| explore(program)))
    });
    let runs = runs.load(Ordering::Relaxed);
    match ended {
        Ok(true) => format!("{runs:>9} {:>11}", millis(time)),
        Ok(false) => format!("{:>9} {:>11}", format!(">{runs}"), "stopped"),
        Err(_) => format!("{runs:>9} {:>11}", "rejects it"),
    }
}

fn by_loom(program: Arc<dyn Fn() + Send + Sync>) -> bool {
    let mut builder = loom::model::Builder::new();
    builder.max_duration = Some(PATIENCE);
    builder.max_branches = 100_000;
    let begun = Instant::now();
    builder.check(move || program());
    begun.elapsed() < PATIENCE
}

fn by_shuttle(program: Arc<dyn Fn() + Send + Sync>) -> bool {
    let mut config = shuttle::Config::new();
    config.failure_persistence = shuttle::FailurePersistence::None;
    config.max_steps = shuttle::MaxSteps::ContinueAfter(10_000);
    config.max_time = Some(PATIENCE);
    config.silence_warnings = true;
    let scheduler = shuttle::scheduler::DfsScheduler::new(None, false);
    let begun = Instant::now();
    shuttle::Runner::new(scheduler, config).run(move || program());
    begun.elapsed() < PATIENCE
}

/// A mutex of three states on a futex, as in Drepper's "Futexes Are Tricky".
fn futex_mutex(threads: usize) {
    use interleave::std::sync::Arc;
    use interleave::std::sync::atomic::{AtomicU32, Ordering::*};
    use interleave::std::{Tracked, futex, thread};

    fn add(lock: &(AtomicU32, Tracked<u32>)) {
        if lock.0.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            while lock.0.swap(2, Acquire) != 0 {
                futex::wait(&lock.0, 2);
            }
        }
        lock.1.update(|n| n + 1);
        if lock.0.swap(0, Release) == 2 {
            futex::wake_one(&lock.0);
        }
    }
    let lock = Arc::new((AtomicU32::new(0), Tracked::new(0)));
    let others: Vec<_> = (1..threads)
        .map(|_| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || add(&lock))
        })
        .collect();
    add(&lock);
    for thread in others {
        thread.join().unwrap();
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}
