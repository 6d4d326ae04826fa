//! Random small programs have the outcomes that shuttle finds when it tries every schedule: no
//! fewer, no others, and a deadlock where shuttle meets one.
//!
//! Shuttle knows one order of everything. So atomics are SeqCst here; and where a `try_lock` may fail,
//! a program has no other object, because a failed attempt orders nothing. There is no `try_read`,
//! which may fail here while a writer waits, and not in shuttle. A wait on a condition
//! variable never ends for no reason in shuttle, so it does not here. `park` may in shuttle, and so
//! it may here, as often as a program parks.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use interleave::{Explore, FailureKind};

/// What a thread does. What it sees, it notes.
#[derive(Clone, Copy, Debug)]
enum Op {
    Store(u32),
    Add,
    Load,
    Exchange(u32, u32),
    /// Adds one to the number behind the lock.
    Locked,
    TryLocked,
    Read,
    Write,
    TryWrite,
    /// Waits until the number behind the lock is so great.
    WaitFor(u32),
    /// Waits once if the number is not so great: wrong code, with deadlocks.
    WaitOnce(u32),
    NotifyOne,
    NotifyAll,
    Send(u32),
    TrySend(u32),
    Recv,
    TryRecv,
    Park,
    /// Of the thread that started this one, or of one that this one started.
    Unpark(usize),
}

/// The first thread starts the others; all of its operations come after that.
#[derive(Clone, Debug)]
struct Program {
    threads: Vec<Vec<Op>>,
    /// The capacity of the channel, if it has one.
    capacity: Option<usize>,
}

type Outcome = Vec<Vec<u32>>;

/// A program's run, with any std that is named.
macro_rules! run {
    ($($std:tt)*) => {
        use $($std)*::sync::atomic::{AtomicU32, Ordering::SeqCst};
        use $($std)*::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
        use $($std)*::sync::{Arc, Condvar, Mutex, RwLock};
        use $($std)*::thread::{self, Thread};

        use super::{Op, Outcome, Program};

        #[derive(Clone)]
        enum Into {
            Bounded(SyncSender<u32>),
            Unbounded(Sender<u32>),
        }

        struct Shared {
            /// Is loaded where shuttle would let no other thread run, as it should.
            pause: AtomicU32,
            cell: AtomicU32,
            number: Mutex<u32>,
            condvar: Condvar,
            table: RwLock<u32>,
        }

        fn perform(
            ops: &[Op],
            shared: &Shared,
            out: Option<&Receiver<u32>>,
            into: Into,
            threads: &[Thread],
        ) -> Vec<u32> {
            let mut seen = Vec::new();
            for op in ops {
                match *op {
                    Op::Store(value) => shared.cell.store(value, SeqCst),
                    Op::Add => seen.push(shared.cell.fetch_add(1, SeqCst)),
                    Op::Load => seen.push(shared.cell.load(SeqCst)),
                    Op::Exchange(old, new) => {
                        let was = shared.cell.compare_exchange(old, new, SeqCst, SeqCst);
                        seen.push(was.unwrap_or_else(|was| 10 + was));
                    }
                    Op::Locked => {
                        let mut number = shared.number.lock().unwrap();
                        *number += 1;
                        seen.push(*number);
                    }
                    Op::TryLocked => match shared.number.try_lock() {
                        Ok(mut number) => {
                            *number += 1;
                            seen.push(*number);
                        }
                        Err(_) => seen.push(100),
                    },
                    Op::Read => seen.push(*shared.table.read().unwrap()),
                    Op::Write => {
                        let mut value = shared.table.write().unwrap();
                        *value += 1;
                        seen.push(*value);
                    }
                    Op::TryWrite => match shared.table.try_write() {
                        Ok(mut value) => {
                            *value += 1;
                            seen.push(*value);
                        }
                        Err(_) => seen.push(100),
                    },
                    Op::WaitFor(least) => {
                        let mut number = shared.number.lock().unwrap();
                        while *number < least {
                            number = shared.condvar.wait(number).unwrap();
                        }
                        seen.push(*number);
                    }
                    Op::WaitOnce(least) => {
                        let mut number = shared.number.lock().unwrap();
                        if *number < least {
                            number = shared.condvar.wait(number).unwrap();
                        }
                        seen.push(*number);
                    }
                    Op::NotifyOne => shared.condvar.notify_one(),
                    Op::NotifyAll => shared.condvar.notify_all(),
                    Op::Send(value) => {
                        let failed = match &into {
                            Into::Bounded(into) => into.send(value).is_err(),
                            Into::Unbounded(into) => into.send(value).is_err(),
                        };
                        if failed {
                            seen.push(200);
                        }
                    }
                    Op::TrySend(value) => seen.push(match &into {
                        Into::Bounded(into) => u32::from(into.try_send(value).is_ok()),
                        Into::Unbounded(into) => u32::from(into.send(value).is_ok()),
                    }),
                    Op::Recv => seen.extend(out.map(|out| out.recv().unwrap_or(200))),
                    Op::TryRecv => seen.extend(out.map(|out| out.try_recv().unwrap_or(100))),
                    Op::Park => {
                        shared.pause.load(SeqCst);
                        thread::park();
                    }
                    Op::Unpark(index) => threads[index % threads.len()].unpark(),
                }
            }
            seen
        }

        pub(super) fn run(program: &Program) -> Outcome {
            let shared = Arc::new(Shared {
                pause: AtomicU32::new(0),
                cell: AtomicU32::new(0),
                number: Mutex::new(0),
                condvar: Condvar::new(),
                table: RwLock::new(0),
            });
            let (into, out) = match program.capacity {
                Some(capacity) => {
                    let (into, out) = sync_channel(capacity);
                    (Into::Bounded(into), out)
                }
                None => {
                    let (into, out) = channel();
                    (Into::Unbounded(into), out)
                }
            };
            let first = thread::current();
            let (own, others) = program.threads.split_first().unwrap();
            let others: Vec<_> = others
                .iter()
                .cloned()
                .map(|ops| {
                    let (shared, into, first) = (Arc::clone(&shared), into.clone(), first.clone());
                    thread::spawn(move || perform(&ops, &shared, None, into, &[first]))
                })
                .collect();
            let started: Vec<_> = others.iter().map(|other| other.thread().clone()).collect();
            let mut outcome = vec![perform(own, &shared, Some(&out), into, &started)];
            shared.pause.load(SeqCst);
            drop(out);
            outcome.extend(others.into_iter().map(|other| other.join().unwrap()));
            outcome.push(vec![shared.cell.load(SeqCst), *shared.number.lock().unwrap()]);
            outcome
        }
    };
}

mod theirs {
    run!(shuttle);
}

mod ours {
    run!(interleave::std);
}

/// What is found about a program.
#[derive(PartialEq, Eq, Debug)]
enum Found {
    Outcomes(BTreeSet<Outcome>),
    Deadlock,
    /// The budget did not suffice.
    TooMany,
}

const MOST: usize = 6_000;

fn noting(
    program: &Program,
    run: fn(&Program) -> Outcome,
) -> (
    Arc<Mutex<BTreeSet<Outcome>>>,
    impl Fn() + Send + Sync + use<>,
) {
    let outcomes = Arc::new(Mutex::new(BTreeSet::new()));
    let (program, seen) = (program.clone(), Arc::clone(&outcomes));
    let scenario = move || {
        let outcome = run(&program);
        seen.lock().expect("nobody panics with it").insert(outcome);
    };
    (outcomes, scenario)
}

fn found_by_shuttle(program: &Program) -> Found {
    let (outcomes, scenario) = noting(program, theirs::run);
    let mut config = shuttle::Config::new();
    config.silence_warnings = true;
    config.failure_persistence = shuttle::FailurePersistence::None;
    let scheduler = shuttle::scheduler::DfsScheduler::new(Some(MOST), false);
    let runner = shuttle::Runner::new(scheduler, config);
    match catch_unwind(AssertUnwindSafe(|| runner.run(scenario))) {
        Ok(MOST) => Found::TooMany,
        Ok(_) => Found::Outcomes(outcomes.lock().expect("nobody panics with it").clone()),
        Err(panic) => {
            let message = panic
                .downcast_ref::<String>()
                .map_or("no text", String::as_str);
            assert!(message.contains("deadlock"), "{program:?}: {message}");
            Found::Deadlock
        }
    }
}

fn found_by_us(program: &Program, spurious: u32) -> Found {
    let (outcomes, scenario) = noting(program, ours::run);
    let explored = Explore::new()
        .executions(MOST as u64)
        .spurious(spurious)
        .of(scenario);
    match &explored.failure {
        Some(failure) => {
            assert_eq!(
                failure.kind,
                FailureKind::Deadlock,
                "{program:?}: {explored:?}"
            );
            Found::Deadlock
        }
        None if explored.complete => {
            Found::Outcomes(outcomes.lock().expect("nobody panics with it").clone())
        }
        None => {
            assert_eq!(explored.not_judged, None, "{program:?}");
            Found::TooMany
        }
    }
}

/// How many programs of each kind are tried: `PROGRAMS`, or a few.
fn programs() -> usize {
    let wanted = std::env::var("PROGRAMS").ok();
    wanted.and_then(|text| text.parse().ok()).unwrap_or(25)
}

fn random(seed: u64) -> impl FnMut(u32) -> u32 {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(state >> 33).expect("31 bits") % below
    }
}

/// Compares random programs, whose operations `op` chooses: it gets the number of the thread.
fn compare(seed: u64, spurious: u32, mut op: impl FnMut(&mut dyn FnMut(u32) -> u32, usize) -> Op) {
    // Shuttle's panic at a deadlock is an answer here.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or_default();
        if !text.contains("deadlock! blocked tasks") {
            hook(info);
        }
    }));
    let mut rng = random(seed);
    let (mut outcomes, mut deadlocks, mut too_many) = (0, 0, 0);
    for _ in 0..programs() {
        let threads = 2 + rng(2) as usize;
        let most = if threads == 2 { 3 } else { 2 };
        let program = Program {
            threads: (0..threads)
                .map(|thread| {
                    let ops = 1 + rng(most);
                    (0..ops).map(|_| op(&mut rng, thread)).collect()
                })
                .collect(),
            capacity: [None, Some(0), Some(1), Some(2)][rng(4) as usize],
        };
        let theirs = found_by_shuttle(&program);
        let ours = found_by_us(&program, spurious);
        match (&ours, &theirs) {
            (Found::TooMany, _) | (_, Found::TooMany) => too_many += 1,
            (Found::Deadlock, Found::Deadlock) => deadlocks += 1,
            (Found::Outcomes(_), Found::Outcomes(_)) => outcomes += 1,
            _ => {}
        }
        let comparable = ours != Found::TooMany && theirs != Found::TooMany;
        assert!(
            !comparable || ours == theirs,
            "{program:?}\nours: {ours:?}\nshuttle: {theirs:?}"
        );
    }
    println!("{outcomes} with the same outcomes, {deadlocks} with deadlocks, {too_many} too big");
    assert!(
        4 * too_many < 3 * programs(),
        "{too_many} programs were too big"
    );
    assert!(outcomes > 0);
}

#[test]
fn atomics_and_locks() {
    compare(1, 0, |rng, _| match rng(8) {
        0 => Op::Store(1 + rng(3)),
        1 => Op::Add,
        2 => Op::Load,
        3 => Op::Exchange(rng(2), 2 + rng(2)),
        4 | 5 => Op::Locked,
        6 => Op::Read,
        _ => Op::Write,
    });
}

#[test]
fn attempts() {
    compare(5, 0, |rng, _| match rng(2) {
        0 => Op::Locked,
        _ => Op::TryLocked,
    });
    compare(6, 0, |rng, _| match rng(3) {
        0 => Op::Read,
        1 => Op::Write,
        _ => Op::TryWrite,
    });
}

#[test]
fn condition_variables() {
    compare(2, 0, |rng, _| match rng(10) {
        0 => Op::WaitFor(1 + rng(2)),
        1 => Op::WaitOnce(1),
        2..5 => Op::Locked,
        5 | 6 => Op::NotifyOne,
        7 | 8 => Op::NotifyAll,
        _ => Op::Load,
    });
}

#[test]
fn channels() {
    compare(3, 0, |rng, thread| match (thread, rng(5)) {
        (0, 0..3) => Op::Recv,
        (0, _) => Op::TryRecv,
        (_, 0..3) => Op::Send(rng(4)),
        (_, 3) => Op::TrySend(4 + rng(4)),
        _ => Op::Add,
    });
}

#[test]
fn parking() {
    compare(4, 9, |rng, _| match rng(5) {
        0 => Op::Park,
        1 | 2 => Op::Unpark(rng(2) as usize),
        3 => Op::Add,
        _ => Op::Load,
    });
}
