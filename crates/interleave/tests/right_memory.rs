//! Right programs with atomics and spins. None of them may be rejected.

mod common;
use common::holds;

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*, fence};
    use std::sync::Mutex;
    use std::time::Duration;

    pub fn message_passing() {
        let pair = Arc::new((Tracked::new(0), AtomicBool::new(false)));
        let theirs = Arc::clone(&pair);
        let writer = thread::spawn(move || {
            theirs.0.set(42);
            theirs.1.store(true, Release);
        });
        if pair.1.load(Acquire) {
            assert_eq!(pair.0.get(), 42);
        }
        writer.join().unwrap();
    }

    pub fn message_passing_by_fences() {
        let pair = Arc::new((Tracked::new(0), AtomicBool::new(false)));
        let theirs = Arc::clone(&pair);
        let writer = thread::spawn(move || {
            theirs.0.set(42);
            fence(Release);
            theirs.1.store(true, Relaxed);
        });
        if pair.1.load(Relaxed) {
            fence(Acquire);
            assert_eq!(pair.0.get(), 42);
        }
        writer.join().unwrap();
    }

    pub fn counter_under_a_lock() {
        let counter = Arc::new(Mutex::new(Tracked::new(0)));
        let threads: Vec<_> = (0..2).map(|_| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || counter.lock().unwrap().update(|n| n + 1))
        }).collect();
        for thread in threads { thread.join().unwrap(); }
        assert_eq!(counter.lock().unwrap().get(), 2);
    }

    pub fn compare_exchange_loop() {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        fn add(counter: &AtomicU32) {
            let mut old = counter.load(Relaxed);
            while let Err(newer) = counter.compare_exchange_weak(old, old + 1, Relaxed, Relaxed) {
                old = newer;
            }
        }
        let thread = thread::spawn(move || add(&theirs));
        add(&counter);
        thread.join().unwrap();
        assert_eq!(counter.load(Relaxed), 2);
    }

    fn spin(turns: u32, wait: fn()) {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        let add = move |lock: &(AtomicBool, Tracked<u32>)| for _ in 0..turns {
            while lock.0.compare_exchange(false, true, Acquire, Relaxed).is_err() { wait(); }
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        };
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
        assert_eq!(lock.1.get(), 2 * turns);
    }

    pub fn spin_lock_without_a_hint() { spin(2, || ()); }

    pub fn spin_lock_with_a_hint() { spin(2, std::hint::spin_loop); }

    pub fn spin_lock_that_yields() { spin(2, thread::yield_now); }

    pub fn spin_lock_that_sleeps() { spin(1, || thread::sleep(Duration::from_millis(1))); }

    pub fn spin_lock_by_swap() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            while lock.0.swap(true, Acquire) {}
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || { add(&theirs); add(&theirs); });
        add(&lock);
        thread.join().unwrap();
        assert_eq!(lock.1.get(), 3);
    }

    pub fn test_and_test_and_set() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            while lock.0.swap(true, Acquire) {
                while lock.0.load(Relaxed) { std::hint::spin_loop(); }
            }
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
        assert_eq!(lock.1.get(), 2);
    }

    pub fn ticket_lock() {
        struct Ticket { next: AtomicU32, serving: AtomicU32, value: Tracked<u32> }
        let lock = Arc::new(Ticket { next: AtomicU32::new(0), serving: AtomicU32::new(0), value: Tracked::new(0) });
        fn add(lock: &Ticket) {
            let mine = lock.next.fetch_add(1, Relaxed);
            while lock.serving.load(Acquire) != mine {}
            lock.value.update(|n| n + 1);
            lock.serving.store(mine + 1, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
        assert_eq!(lock.value.get(), 2);
    }

    pub fn a_spin_that_gives_up() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            loop {
                let mut looks = 0;
                while lock.0.load(Relaxed) && looks < 50 { looks += 1; }
                if !lock.0.swap(true, Acquire) { break; }
                thread::yield_now();
            }
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
    }

    pub fn a_wait_that_counts_its_turns() {
        let pair = Arc::new((AtomicBool::new(false), AtomicU32::new(0)));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || theirs.0.store(true, Release));
        while !pair.0.load(Acquire) { pair.1.fetch_add(1, Relaxed); }
        thread.join().unwrap();
    }

    // Store buffering. SeqCst accesses forbid that both loads see 0; loom alone would allow it.
    pub fn dekker_with_seq_cst_accesses() {
        let flags = Arc::new((AtomicBool::new(false), AtomicBool::new(false), Tracked::new(0)));
        let theirs = Arc::clone(&flags);
        let thread = thread::spawn(move || {
            theirs.0.store(true, SeqCst);
            if !theirs.1.load(SeqCst) { theirs.2.update(|n| n + 1); }
        });
        flags.1.store(true, SeqCst);
        if !flags.0.load(SeqCst) { flags.2.update(|n| n + 1); }
        thread.join().unwrap();
    }

    pub fn store_buffer_with_fences() {
        let flags = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let theirs = Arc::clone(&flags);
        let thread = thread::spawn(move || {
            theirs.0.store(1, Relaxed);
            fence(SeqCst);
            theirs.1.load(Relaxed)
        });
        flags.1.store(1, Relaxed);
        fence(SeqCst);
        let mine = flags.0.load(Relaxed);
        assert!(mine + thread.join().unwrap() > 0);
    }
}

macro_rules! right {
    ($($name:ident)*) => { $(#[test] fn $name() { holds(scenarios::$name); })* };
}

right! {
    message_passing
    message_passing_by_fences
    counter_under_a_lock
    compare_exchange_loop
    spin_lock_without_a_hint
    spin_lock_with_a_hint
    spin_lock_that_yields
    spin_lock_that_sleeps
    spin_lock_by_swap
    test_and_test_and_set
    ticket_lock
    a_spin_that_gives_up
    a_wait_that_counts_its_turns
    dekker_with_seq_cst_accesses
    store_buffer_with_fences
}
