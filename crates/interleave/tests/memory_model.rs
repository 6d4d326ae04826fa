//! What one search over schedules and memory orderings decides, and two searches could not: locks that
//! rest on `SeqCst`, stores in an order that no schedule has, release sequences, and what happens for
//! no reason.

mod common;
use common::{explored, fails, holds};
use interleave::FailureKind::{Assertion, Deadlock, Race};

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering, Ordering::*, fence};
    use std::sync::{Condvar, Mutex, RwLock};

    fn both(body: impl Fn(usize) + Send + Sync + 'static) {
        let body = Arc::new(body);
        let theirs = Arc::clone(&body);
        let thread = thread::spawn(move || theirs(1));
        body(0);
        thread.join().unwrap();
    }

    fn petersons_lock(store: Ordering, load: Ordering) {
        let wants = [AtomicBool::new(false), AtomicBool::new(false)];
        let (turn, payload) = (AtomicU32::new(0), Tracked::new(0));
        both(move |me| {
            wants[me].store(true, store);
            turn.store(1 - me as u32, store);
            while wants[1 - me].load(load) && turn.load(load) != me as u32 {}
            payload.update(|n| n + 1);
            wants[me].store(false, store);
        });
    }
    pub fn peterson() { petersons_lock(SeqCst, SeqCst); }
    pub fn peterson_with_release_and_acquire() { petersons_lock(Release, Acquire); }
    pub fn peterson_with_seq_cst_stores_only() { petersons_lock(SeqCst, Acquire); }

    fn lamports_bakery(store: Ordering, load: Ordering) {
        let chooses = [AtomicBool::new(false), AtomicBool::new(false)];
        let numbers = [AtomicU32::new(0), AtomicU32::new(0)];
        let payload = Tracked::new(0);
        both(move |me| {
            let other = 1 - me;
            chooses[me].store(true, store);
            let mine = numbers[other].load(load) + 1;
            numbers[me].store(mine, store);
            chooses[me].store(false, store);
            while chooses[other].load(load) {}
            loop {
                let theirs = numbers[other].load(load);
                if theirs == 0 || (mine, me) < (theirs, other) { break; }
            }
            payload.update(|n| n + 1);
            numbers[me].store(0, store);
        });
    }
    pub fn bakery() { lamports_bakery(SeqCst, SeqCst); }
    pub fn bakery_with_seq_cst_stores_only() { lamports_bakery(SeqCst, Acquire); }

    /// A lock that one thread asks for and the other one grants. The thread that grants it goes in
    /// if it sees that the lock was taken; it should if it sees the lock free. That takes three
    /// preemptions: after the asking, after the granting, and before the release.
    pub fn a_lock_that_fails_in_the_third_preemption() {
        const ASKS: u32 = 1;
        const HOLDS: u32 = 2;
        let shared = Arc::new((AtomicU32::new(0), AtomicBool::new(false), Tracked::new(0)));
        let theirs = Arc::clone(&shared);
        let asking = thread::spawn(move || {
            let (state, is_granted, payload) = &*theirs;
            state.store(ASKS, SeqCst);
            if is_granted.load(SeqCst) {
                state.store(HOLDS, SeqCst);
                payload.update(|n| n + 1);
            }
            state.store(0, SeqCst);
        });
        let theirs = Arc::clone(&shared);
        let granting = thread::spawn(move || {
            let (state, is_granted, payload) = &*theirs;
            if state.load(SeqCst) == ASKS {
                is_granted.store(true, SeqCst);
                if state.load(SeqCst) == HOLDS { payload.update(|n| n + 1); }
            }
        });
        asking.join().unwrap();
        granting.join().unwrap();
    }

    /// Dekker's first step: whoever sees no other one goes in.
    fn dekkers_step(store: Ordering, load: Ordering, between: Option<Ordering>) {
        let wants = [AtomicBool::new(false), AtomicBool::new(false)];
        let payload = Tracked::new(0);
        both(move |me| {
            wants[me].store(true, store);
            if let Some(order) = between { fence(order); }
            if !wants[1 - me].load(load) { payload.update(|n| n + 1); }
        });
    }
    pub fn dekker() { dekkers_step(SeqCst, SeqCst, None); }
    pub fn dekker_with_release_and_acquire() { dekkers_step(Release, Acquire, None); }
    pub fn dekker_with_fences() { dekkers_step(Relaxed, Relaxed, Some(SeqCst)); }
    pub fn dekker_with_weak_fences() { dekkers_step(Relaxed, Relaxed, Some(AcqRel)); }

    /// Each thread stores to both, in opposite orders: can both first stores be the last ones?
    fn two_and_two_stores(order: Ordering) {
        let cells = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let theirs = Arc::clone(&cells);
        both(move |me| {
            theirs[me].store(1, order);
            theirs[1 - me].store(2, order);
        });
        assert!(cells.iter().any(|cell| cell.load(Relaxed) != 1), "both first stores are the last");
    }
    pub fn opposite_stores() { two_and_two_stores(Release); }
    pub fn opposite_seq_cst_stores() { two_and_two_stores(SeqCst); }

    /// Two readers that disagree on which of two independent stores came first.
    fn independent_reads(store: Ordering, load: Ordering) {
        let cells = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let writers: Vec<_> = (0..2).map(|at| {
            let cells = Arc::clone(&cells);
            thread::spawn(move || cells[at].store(1, store))
        }).collect();
        let readers: Vec<_> = (0..2).map(|at| {
            let cells = Arc::clone(&cells);
            thread::spawn(move || (cells[at].load(load), cells[1 - at].load(load)))
        }).collect();
        for writer in writers { writer.join().unwrap(); }
        let seen: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        assert_ne!(seen, [(1, 0), (1, 0)]);
    }
    pub fn readers_disagree() { independent_reads(Release, Acquire); }
    pub fn seq_cst_readers_agree() { independent_reads(SeqCst, SeqCst); }

    /// A message, and one more change of the flag before it is read.
    fn release_sequence(by_its_owner: bool) {
        let shared = Arc::new((Tracked::new(0), AtomicU32::new(0)));
        let theirs = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            theirs.0.set(7);
            theirs.1.store(1, Release);
            if by_its_owner { theirs.1.store(2, Relaxed); }
        });
        let theirs = Arc::clone(&shared);
        let other = thread::spawn(move || if !by_its_owner { theirs.1.fetch_add(1, Relaxed); });
        if shared.1.load(Acquire) == 2 { assert_eq!(shared.0.get(), 7); }
        writer.join().unwrap();
        other.join().unwrap();
    }
    pub fn a_read_modify_write_continues_a_release_sequence() { release_sequence(false); }
    pub fn a_later_store_does_not() { release_sequence(true); }

    fn seqlock(written: Ordering, read: Ordering) {
        let version = AtomicU32::new(0);
        let data = [AtomicU32::new(0), AtomicU32::new(0)];
        both(move |me| if me == 0 {
            version.store(1, Relaxed);
            fence(written);
            data[0].store(7, Relaxed);
            data[1].store(7, Relaxed);
            version.store(2, Release);
        } else {
            let before = version.load(Acquire);
            let seen = [data[0].load(Relaxed), data[1].load(Relaxed)];
            fence(read);
            if before.is_multiple_of(2) && version.load(Relaxed) == before { assert_eq!(seen[0], seen[1]); }
        });
    }
    pub fn a_seqlock() { seqlock(Release, Acquire); }
    pub fn a_seqlock_whose_writer_has_the_wrong_fence() { seqlock(Acquire, Acquire); }

    pub fn if_around_a_wait() {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            *theirs.0.lock().unwrap() = true;
            theirs.1.notify_one();
        });
        let mut ready = shared.0.lock().unwrap();
        if !*ready { ready = shared.1.wait(ready).unwrap(); }
        assert!(*ready, "it woke up for no reason");
        drop(ready);
        thread.join().unwrap();
    }

    pub fn a_bare_park() {
        let ready = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&ready);
        let main = thread::current();
        let thread = thread::spawn(move || {
            theirs.store(true, Release);
            main.unpark();
        });
        thread::park();
        assert!(ready.load(Acquire), "it woke up for no reason");
        thread.join().unwrap();
    }

    pub fn any_waiter_may_be_woken() {
        let shared = Arc::new((Mutex::new([false; 2]), Condvar::new()));
        let waiters: Vec<_> = (0..2).map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let mut may_go = shared.0.lock().unwrap();
                while !may_go[number] { may_go = shared.1.wait(may_go).unwrap(); }
            })
        }).collect();
        for number in 0..2 {
            shared.0.lock().unwrap()[number] = true;
            shared.1.notify_one();
        }
        for waiter in waiters { waiter.join().unwrap(); }
    }

    pub fn a_reader_that_reads_again_beside_a_writer() {
        let lock = Arc::new(RwLock::new(0));
        let theirs = Arc::clone(&lock);
        let writer = thread::spawn(move || *theirs.write().unwrap() += 1);
        let first = lock.read().unwrap();
        let second = lock.read().unwrap();
        assert_eq!(*first, *second);
        drop((first, second));
        writer.join().unwrap();
    }

    /// Only three threads lose it: two of them add to what the third one has not yet seen.
    pub fn three_threads_that_lose_what_two_do_not() {
        let cell = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (0..3).map(|_| {
            let cell = Arc::clone(&cell);
            thread::spawn(move || {
                let seen = cell.load(Relaxed);
                if cell.compare_exchange(seen, seen + 1, Relaxed, Relaxed).is_err() {
                    // One other thread at most, so one more attempt is enough. Is it?
                    let seen = cell.load(Relaxed);
                    let _ = cell.compare_exchange(seen, seen + 1, Relaxed, Relaxed);
                }
            })
        }).collect();
        for thread in threads { thread.join().unwrap(); }
        assert_eq!(cell.load(Relaxed), 3);
    }
}

macro_rules! cases {
    ($($name:ident: $check:ident $($kind:ident)?;)*) => {
        $(#[test] fn $name() { $check(scenarios::$name $(, $kind)?); })*
    };
}

cases! {
    peterson: holds;
    peterson_with_release_and_acquire: fails Race;
    peterson_with_seq_cst_stores_only: fails Race;
    bakery: holds;
    bakery_with_seq_cst_stores_only: fails Race;
    a_lock_that_fails_in_the_third_preemption: fails Race;
    dekker: holds;
    dekker_with_release_and_acquire: fails Race;
    dekker_with_fences: holds;
    dekker_with_weak_fences: fails Race;
    opposite_stores: fails Assertion;
    opposite_seq_cst_stores: holds;
    readers_disagree: fails Assertion;
    seq_cst_readers_agree: holds;
    a_read_modify_write_continues_a_release_sequence: holds;
    a_later_store_does_not: fails Race;
    a_seqlock: holds;
    a_seqlock_whose_writer_has_the_wrong_fence: fails Assertion;
    if_around_a_wait: fails Assertion;
    a_bare_park: fails Assertion;
    any_waiter_may_be_woken: fails Deadlock;
    a_reader_that_reads_again_beside_a_writer: fails Deadlock;
    three_threads_that_lose_what_two_do_not: fails Assertion;
}

#[test]
fn three_preemptions_are_shown_where_three_are_needed() {
    let found = explored(scenarios::a_lock_that_fails_in_the_third_preemption);
    let steps = &found.must_fail(Race).timeline.steps;
    let threads = steps.iter().map(|step| step.thread);
    let mut of_the_two: Vec<_> = threads.filter(|thread| *thread > 0).collect();
    of_the_two.dedup();
    assert_eq!(of_the_two, [1, 2, 1, 2], "{found:?}");
}

#[test]
fn a_failure_in_the_orderings_is_replayed_by_its_string() {
    let found = explored(scenarios::opposite_stores);
    let failure = found.must_fail(Assertion);
    assert!(failure.schedule.contains('~'), "{}", failure.schedule);
    let again = interleave::Explore::new().replay_of(scenarios::opposite_stores, &failure.schedule);
    assert_eq!(again.must_fail(Assertion).message, failure.message);
    let found = explored(scenarios::readers_disagree);
    let timeline = &found.must_fail(Assertion).timeline;
    let notes = timeline.steps.iter().map(|step| step.note.as_str());
    let notes: Vec<_> = notes.filter(|note| !note.is_empty()).collect();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("nothing orders this after the store at")),
        "{timeline}"
    );
}
