//! The litmus programs have the same outcomes as with shuttle and loom alone.
//!
//! One exception is intended and tested in `right_memory.rs`: loom alone rejects a store buffer that
//! `SeqCst` accesses decide; here it holds.

mod common;

use std::process::Command;

mod nothing {}

/// The programs, for any std that is named `world`.
macro_rules! programs {
    ($($world:tt)*) => {
        use $($world)*::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
        use $($world)*::sync::{Arc, Condvar, Mutex};
        use $($world)*::thread;

        pub(super) fn message_passing() {
            let pair = Arc::new((AtomicU32::new(0), AtomicBool::new(false)));
            let theirs = Arc::clone(&pair);
            let thread = thread::spawn(move || {
                theirs.0.store(42, Relaxed);
                theirs.1.store(true, Release);
            });
            if pair.1.load(Acquire) { assert_eq!(pair.0.load(Relaxed), 42); }
            thread.join().unwrap();
        }

        pub(super) fn relaxed_message_passing() {
            let pair = Arc::new((AtomicU32::new(0), AtomicBool::new(false)));
            let theirs = Arc::clone(&pair);
            let thread = thread::spawn(move || {
                theirs.0.store(42, Relaxed);
                theirs.1.store(true, Relaxed);
            });
            if pair.1.load(Relaxed) { assert_eq!(pair.0.load(Relaxed), 42); }
            thread.join().unwrap();
        }

        pub(super) fn lost_update() {
            let counter = Arc::new(AtomicU32::new(0));
            let theirs = Arc::clone(&counter);
            let thread = thread::spawn(move || theirs.store(theirs.load(Acquire) + 1, Release));
            counter.store(counter.load(Acquire) + 1, Release);
            thread.join().unwrap();
            assert_eq!(counter.load(Acquire), 2);
        }

        pub(super) fn opposite_order() {
            let locks = Arc::new((Mutex::new(()), Mutex::new(())));
            let theirs = Arc::clone(&locks);
            let thread = thread::spawn(move || {
                let _one = theirs.0.lock().unwrap();
                let _two = theirs.1.lock().unwrap();
            });
            {
                let _two = locks.1.lock().unwrap();
                let _one = locks.0.lock().unwrap();
            }
            thread.join().unwrap();
        }

        pub(super) fn lost_wake_up() {
            let pair = Arc::new((Mutex::new(()), Condvar::new()));
            let theirs = Arc::clone(&pair);
            let thread = thread::spawn(move || theirs.1.notify_one());
            drop(pair.1.wait(pair.0.lock().unwrap()).unwrap());
            thread.join().unwrap();
        }

        pub(super) fn check_then_act() {
            let purse = Arc::new(Mutex::new(10_i32));
            fn pay(purse: &Mutex<i32>) {
                let enough = *purse.lock().unwrap() >= 10;
                if enough { *purse.lock().unwrap() -= 10; }
            }
            let theirs = Arc::clone(&purse);
            let thread = thread::spawn(move || pay(&theirs));
            pay(&purse);
            thread.join().unwrap();
            assert!(*purse.lock().unwrap() >= 0);
        }

        // Pops of a stack of indices 0 → 1 → 2; 9 is the end.
        pub(super) fn aba() {
            struct Stack { head: AtomicUsize, next: [AtomicUsize; 3] }
            fn pop(stack: &Stack) -> usize {
                loop {
                    let head = stack.head.load(Acquire);
                    if head == 9 { return 9; }
                    let next = stack.next[head].load(Acquire);
                    if stack.head.compare_exchange(head, next, AcqRel, Acquire).is_ok() { return head; }
                }
            }
            let stack = Arc::new(Stack {
                head: AtomicUsize::new(0),
                next: [AtomicUsize::new(1), AtomicUsize::new(2), AtomicUsize::new(9)],
            });
            let theirs = Arc::clone(&stack);
            let thread = thread::spawn(move || {
                let first = pop(&theirs);
                let second = pop(&theirs);
                if first != 9 {
                    // Nobody else pushes.
                    theirs.next[first].store(theirs.head.load(Acquire), Release);
                    theirs.head.store(first, Release);
                }
                second
            });
            pop(&stack);
            let kept = thread.join().unwrap();
            assert!(kept == 9 || stack.head.load(Acquire) != kept);
        }

        pub(super) fn store_buffer() {
            let flags = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
            let theirs = Arc::clone(&flags);
            let thread = thread::spawn(move || {
                theirs.0.store(1, Release);
                theirs.1.load(Acquire)
            });
            flags.1.store(1, Release);
            let mine = flags.0.load(Acquire);
            assert!(mine + thread.join().unwrap() > 0);
        }
    };
}

mod plain_shuttle {
    programs!(shuttle);
}

mod plain_loom {
    programs!(loom);
}

mod shuttled {
    programs!(interleave::shuttled);
}

mod loomed {
    programs!(interleave::loomed);
}

fn by_shuttle(program: fn()) {
    let mut config = shuttle::Config::new();
    config.failure_persistence = shuttle::FailurePersistence::None;
    config.silence_warnings = true;
    let scheduler = shuttle::scheduler::DfsScheduler::new(None, false);
    shuttle::Runner::new(scheduler, config).run(program);
}

fn by_loom(program: fn()) {
    loom::model::Builder::new().check(program);
}

/// Says which program to explore with which library, in a process of its own: loom aborts when a
/// guard is dropped after a deadlock.
const ALONE: &str = "LITMUS_ALONE";

fn rejects(library: &str, program: &str) -> bool {
    let this = std::env::current_exe().expect("this test's binary");
    let output = Command::new(this)
        .args(["--exact", program, "--test-threads=1"])
        .env(ALONE, library)
        .output()
        .expect("this test's binary starts");
    !output.status.success()
}

macro_rules! same {
    ($($program:ident: $shuttle:literal $loom:literal;)*) => {$(
        #[test]
        fn $program() {
            match std::env::var(ALONE).as_deref() {
                Ok("shuttle") => return by_shuttle(plain_shuttle::$program),
                Ok("loom") => return by_loom(plain_loom::$program),
                _ => {}
            }
            let schedules = common::schedules(shuttled::$program);
            let orderings = common::orderings(loomed::$program);
            assert_eq!(schedules.not_judged.or(orderings.not_judged), None);
            let ours = (schedules.failure.is_some(), orderings.failure.is_some());
            let alone = (rejects("shuttle", stringify!($program)), rejects("loom", stringify!($program)));
            assert_eq!(ours, alone);
            assert_eq!(ours, ($shuttle, $loom), "rejected by schedules, by orderings");
        }
    )*};
}

same! {
    message_passing: false false;
    relaxed_message_passing: false true;
    lost_update: true true;
    opposite_order: true true;
    lost_wake_up: true true;
    check_then_act: true true;
    aba: true true;
    store_buffer: false true;
}
