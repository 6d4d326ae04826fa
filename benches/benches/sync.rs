//! Compares our locks, condition variable and semaphore with those of std, parking_lot, tokio and
//! async-lock.
//!
//! `cargo bench -p peers --bench sync` measures everything, and `… -- mutex` only the comparisons
//! with `mutex` in their names.

use std::hint;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use context_switch::sampling::Comparison;
use context_switch::{Pinned, Placement};

/// One operation of a contended comparison consists of this many operations of each of two threads,
/// so that the time to start and end a thread hardly counts.
const TURNS: u32 = 20_000;

fn main() {
    peers::run(
        &[
            ("spin lock, alone", spin_alone),
            ("spin lock, two threads", spin_contended),
            ("mutex, alone", mutex_alone),
            ("mutex, two threads", mutex_contended),
            ("rwlock, reading alone", reading_alone),
            ("rwlock, writing alone", writing_alone),
            ("rwlock, two threads, one write in ten", rwlock_contended),
            ("condvar, notifying nobody", notify_nobody),
            ("condvar, to and fro between two threads", condvar_contended),
            ("semaphore, alone", semaphore_alone),
            ("semaphore, two threads, one permit", semaphore_contended),
        ],
        Duration::from_secs(1),
    );
}

/// Lets two threads, of which this is one, call `turn` [`TURNS`] times each, on two CPUs. Measures
/// the time from the moment when the first one starts to work until both are done.
fn by_two(turn: impl Fn(u32) + Sync) -> impl FnMut(u64) -> Duration {
    move |times| {
        let there = AtomicU32::new(0);
        let work = |cpu| {
            let _pinned = pinned(cpu);
            // The threads spin until both are here. A barrier would put the first one to sleep, and
            // its wake-up takes longer than all the work: they would work one after the other.
            there.fetch_add(1, Relaxed);
            while there.load(Relaxed) < 2 {
                hint::spin_loop();
            }
            let started = Instant::now();
            for _ in 0..times {
                (0..TURNS).for_each(&turn);
            }
            (started, Instant::now())
        };
        thread::scope(|scope| {
            let other = scope.spawn(|| work(1));
            let mine = work(0);
            let other = other.join().expect("no turn panics");
            mine.1.max(other.1) - mine.0.min(other.0)
        })
    }
}

/// Pins this thread to one of two CPUs. If it may use only one CPU, this does nothing.
fn pinned(which: usize) -> Option<Pinned> {
    let cpus = Placement::TwoCpus.cpus().ok()?;
    Pinned::to(cpus[which]).ok()
}

fn spin_alone() -> Comparison<'static> {
    let (ours, std, parking_lot) = (
        sync::SpinLock::new(0_u64),
        std::sync::Mutex::new(0_u64),
        parking_lot::Mutex::new(0_u64),
    );
    Comparison::of("ours", move || *ours.lock() += 1)
        .against("std's mutex", move || *std.lock().unwrap() += 1)
        .against("parking_lot's mutex", move || *parking_lot.lock() += 1)
}

fn spin_contended() -> Comparison<'static> {
    let (ours, std, parking_lot) = (
        sync::SpinLock::new(0_u64),
        std::sync::Mutex::new(0_u64),
        parking_lot::Mutex::new(0_u64),
    );
    Comparison::of_timed("ours", by_two(move |_| *ours.lock() += 1))
        .against_timed("std's mutex", by_two(move |_| *std.lock().unwrap() += 1))
        .against_timed(
            "parking_lot's mutex",
            by_two(move |_| *parking_lot.lock() += 1),
        )
}

fn mutex_alone() -> Comparison<'static> {
    let (ours, std, parking_lot) = (
        sync::Mutex::new(0_u64),
        std::sync::Mutex::new(0_u64),
        parking_lot::Mutex::new(0_u64),
    );
    Comparison::of("ours", move || *ours.lock() += 1)
        .against("std", move || *std.lock().unwrap() += 1)
        .against("parking_lot", move || *parking_lot.lock() += 1)
}

fn mutex_contended() -> Comparison<'static> {
    let (ours, std, parking_lot) = (
        sync::Mutex::new(0_u64),
        std::sync::Mutex::new(0_u64),
        parking_lot::Mutex::new(0_u64),
    );
    Comparison::of_timed("ours", by_two(move |_| *ours.lock() += 1))
        .against_timed("std", by_two(move |_| *std.lock().unwrap() += 1))
        .against_timed("parking_lot", by_two(move |_| *parking_lot.lock() += 1))
}

fn reading_alone() -> Comparison<'static> {
    let (ours, std, parking_lot) = (
        sync::RwLock::new(0_u64),
        std::sync::RwLock::new(0_u64),
        parking_lot::RwLock::new(0_u64),
    );
    Comparison::of("ours", move || *ours.read())
        .against("std", move || *std.read().unwrap())
        .against("parking_lot", move || *parking_lot.read())
}

fn writing_alone() -> Comparison<'static> {
    let (ours, std, parking_lot) = (
        sync::RwLock::new(0_u64),
        std::sync::RwLock::new(0_u64),
        parking_lot::RwLock::new(0_u64),
    );
    Comparison::of("ours", move || *ours.write() += 1)
        .against("std", move || *std.write().unwrap() += 1)
        .against("parking_lot", move || *parking_lot.write() += 1)
}

fn rwlock_contended() -> Comparison<'static> {
    let (ours, std, parking_lot) = (
        sync::RwLock::new(0_u64),
        std::sync::RwLock::new(0_u64),
        parking_lot::RwLock::new(0_u64),
    );
    let ours = by_two(move |turn| match turn % 10 {
        0 => *ours.write() += 1,
        _ => drop(hint::black_box(ours.read())),
    });
    let std = by_two(move |turn| match turn % 10 {
        0 => *std.write().unwrap() += 1,
        _ => drop(hint::black_box(std.read().unwrap())),
    });
    let parking_lot = by_two(move |turn| match turn % 10 {
        0 => *parking_lot.write() += 1,
        _ => drop(hint::black_box(parking_lot.read())),
    });
    Comparison::of_timed("ours", ours)
        .against_timed("std", std)
        .against_timed("parking_lot", parking_lot)
}

/// Measures a notification when no thread waits. This is the check that no thread does, and the call
/// of a function: the compiler does not know which function [`opaque`] returns, so it can neither
/// compile the check into the loop nor find out that no thread could ever wait.
fn notify_nobody() -> Comparison<'static> {
    let (ours, std, parking_lot) = (
        sync::Condvar::new(),
        std::sync::Condvar::new(),
        parking_lot::Condvar::new(),
    );
    let notify = opaque(|condvar: &sync::Condvar| condvar.notify_one());
    let notify_std = opaque(|condvar: &std::sync::Condvar| condvar.notify_one());
    let notify_parking_lot = opaque(|condvar: &parking_lot::Condvar| {
        condvar.notify_one();
    });
    Comparison::of("ours", move || notify(&ours))
        .against("std", move || notify_std(&std))
        .against("parking_lot", move || notify_parking_lot(&parking_lot))
}

/// Returns the function. The compiler forgets which one it is.
fn opaque<T>(function: fn(&T)) -> fn(&T) {
    hint::black_box(function)
}

/// A value says which thread has its turn, and each thread waits for its own turn.
fn condvar_contended() -> Comparison<'static> {
    /// Tells the two threads of a batch apart: one gets true, the other gets false.
    fn me(next: &AtomicU32) -> bool {
        next.fetch_xor(1, Relaxed) == 0
    }
    let ours = {
        let (turn, changed) = (sync::Mutex::new(false), sync::Condvar::new());
        to_and_fro(move |mine| {
            let mut turn = changed.wait_while(turn.lock(), |turn| *turn != mine);
            *turn = !mine;
            drop(turn);
            changed.notify_one();
        })
    };
    let std = {
        let (turn, changed) = (std::sync::Mutex::new(false), std::sync::Condvar::new());
        to_and_fro(move |mine| {
            let turn = turn.lock().unwrap();
            let mut turn = changed.wait_while(turn, |turn| *turn != mine).unwrap();
            *turn = !mine;
            drop(turn);
            changed.notify_one();
        })
    };
    let parking_lot = {
        let (turn, changed) = (parking_lot::Mutex::new(false), parking_lot::Condvar::new());
        to_and_fro(move |mine| {
            let mut turn = turn.lock();
            changed.wait_while(&mut turn, |turn| *turn != mine);
            *turn = !mine;
            drop(turn);
            changed.notify_one();
        })
    };
    fn to_and_fro(turn: impl Fn(bool) + Sync) -> impl FnMut(u64) -> Duration {
        move |times| {
            let next = AtomicU32::new(0);
            let work = || {
                let mine = me(&next);
                (0..200 * times).for_each(|_| turn(mine));
            };
            let started = Instant::now();
            thread::scope(|scope| {
                scope.spawn(work);
                work();
            });
            started.elapsed()
        }
    }
    Comparison::of_timed("ours", ours)
        .against_timed("std", std)
        .against_timed("parking_lot", parking_lot)
}

fn semaphore_alone() -> Comparison<'static> {
    let (ours, tokio, async_lock) = (
        sync::Semaphore::new(2),
        tokio::sync::Semaphore::new(2),
        async_lock::Semaphore::new(2),
    );
    Comparison::of("ours", move || drop(ours.acquire()))
        .against("tokio", move || drop(tokio.try_acquire()))
        .against("async-lock", move || drop(async_lock.try_acquire()))
}

fn semaphore_contended() -> Comparison<'static> {
    let (ours, tokio, async_lock) = (
        sync::Semaphore::new(1),
        tokio::sync::Semaphore::new(1),
        async_lock::Semaphore::new(1),
    );
    Comparison::of_timed("ours", by_two(move |_| drop(ours.acquire())))
        .against_timed("tokio", by_two(move |_| drop(block_on(tokio.acquire()))))
        .against_timed(
            "async-lock",
            by_two(move |_| drop(async_lock.acquire_blocking())),
        )
}

/// The simplest way to run a future on a thread.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    thread_local! {
        static WAKER: Waker = Waker::from(Arc::new(Unpark(thread::current())));
    }
    let mut future = pin!(future);
    WAKER.with(|waker| {
        let mut context = Context::from_waker(waker);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            thread::park();
        }
    })
}
