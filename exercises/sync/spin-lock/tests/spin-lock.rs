//! What a spin lock must do, judged from outside: with real threads, and in every
//! execution that the memory model allows.
#![allow(clippy::drop_non_drop)] // a lock may have a Drop; the stub has none

proctor::exercise!(spin_lock);

use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{MutexGuard, mpsc};
use std::thread;
use std::time::Duration;

use interleave::{Exploration, Explore, FailureKind, all_must_hold};
use proctor::{
    Answer, EmptyProbe, Errno, Failure, Fault, Gate, Onlooker, Outcome, Probes, Subject,
    Surroundings,
};
use serde::{Deserialize, Serialize};
use spin_lock::{SpinGuard, SpinLock};

// One thread, on the machine's own atomics.

/// Does not compile unless `new` can be called for a static.
const fn for_a_static(value: u64) -> SpinLock<u64> {
    SpinLock::new(value)
}

#[proctor::test(clauses = [9, 13, 18], subject = |(first, second): (u64, u64)| {
    let lock = for_a_static(first);
    // Not lock(): it would hang if the new lock were held.
    let free = lock.try_lock().map(|mut guard| {
        let before = *guard;
        *guard = second;
        (before, *guard)
    });
    let released = lock.try_lock().map(|guard| *guard);
    (free, released)
})]
fn a_new_lock_is_free_and_a_dropped_guard_frees_it(mut subject: Subject) {
    let [first, second] = std::array::from_fn(|_| proctor::random::<u64>());
    let (free, released) = subject.ask(&(first, second)).value;
    assert_eq!(
        free,
        Some((first, second)),
        "through the guard that try_lock() gave on a new lock, the value before and after writing to it was (left) and should have been (right)"
    );
    assert_eq!(
        released,
        Some(second),
        "after the guard was dropped, try_lock() gave (left) and should have given (right)"
    );
}

#[proctor::test(clauses = [1, 2, 14], subject = |(count, on_the_stack): (usize, u64)| -> (usize, usize, Option<u64>, Option<u64>) {
    let locks: Vec<SpinLock<usize>> = (0..count).map(SpinLock::new).collect();
    let near = [SpinLock::new(on_the_stack), SpinLock::new(on_the_stack)];
    let far = Box::new(SpinLock::new(on_the_stack));
    let _near = near[0].try_lock();
    let mut guards: Vec<_> = locks.iter().map(SpinLock::try_lock).collect();
    let taken = guards.iter().flatten().count();
    let other = near[1].try_lock().map(|value| *value);
    let boxed = far.try_lock().map(|value| *value);
    // Half of the guards go, and so half of the locks are free.
    let mut number = 0_usize;
    guards.retain(|_| {
        number += 1;
        number.is_multiple_of(2)
    });
    let free = locks.iter().filter(|lock| lock.try_lock().is_some()).count();
    (taken, free, other, boxed)
}, another = |count: usize| -> usize {
    let locks: Vec<SpinLock<usize>> = (0..count).map(SpinLock::new).collect();
    let guards: Vec<_> = locks.iter().map(SpinLock::lock).collect();
    *SpinLock::new(guards.len()).lock()
})]
fn locks_are_independent_of_each_other(mut subject: Subject, mut another: Subject) {
    // More than 16 bits can count.
    let count = 2 * proctor::rng().usize(33_000..34_000);
    let value = proctor::random::<u64>();
    let (taken, free, other, boxed) = subject.ask(&(count, value)).value;
    assert_eq!(
        taken, count,
        "one thread takes {count} different locks; try_lock() gave a guard for (left) of them and should have for (right)"
    );
    assert_eq!(
        (other, boxed),
        (Some(value), Some(value)),
        "while other locks were held, try_lock() of a second lock on the stack and of one on the heap gave (left) and should have given (right)"
    );
    assert_eq!(
        free,
        count / 2,
        "of {count} locks every second one is held and the others are free; try_lock() gave a guard for (left) of them and should have for (right)"
    );
    let answer = another.try_ask(&count).unwrap_or_else(|failing| {
        let meaning = format!("a thread calls lock() for {count} different locks, one after the other, and one of these calls does not return");
        Gate::explained(failing, &meaning).end()
    });
    assert_eq!(answer.value, count);
}

#[proctor::test(clauses = [1, 3, 14], deadline = 30.0, subject = |rounds: u64| -> (u64, u64, u64) {
    let lock = SpinLock::new(0_u64);
    let (mut refused, mut failed) = (0, 0);
    for round in 0..rounds {
        let guard = if round % 3 == 0 { lock.try_lock() } else { Some(lock.lock()) };
        if round % 2 == 0 {
            refused += u64::from(lock.try_lock().is_none());
        }
        match guard {
            Some(mut value) => *value += 1,
            None => failed += 1,
        }
    }
    (lock.into_inner(), failed, refused)
})]
fn it_does_not_wear_out(mut subject: Subject) {
    // Above 2^8, 2^16 and 2^20, with the odd number of attempts in between.
    for rounds in [300, 1_100_000 + proctor::rng().u64(0..100)] {
        let (sum, failed, refused) = subject.ask(&rounds).value;
        assert_eq!(
            failed, 0,
            "in {rounds} rounds of locking, try_lock() on the free lock gave no guard (left) times"
        );
        assert_eq!(
            sum, rounds,
            "{rounds} rounds under the lock added up to (left) instead of (right)"
        );
        assert_eq!(
            refused,
            rounds.div_ceil(2),
            "in {rounds} rounds try_lock() on the held lock returned None (left) times and should have (right) times"
        );
    }
}

// Every schedule, and every ordering that the memory model allows.

interleave::scenarios! {
    exercise = spin_lock_explored;

    type Lock = Arc<exercise::SpinLock<Tracked<u32>>>;

    fn fresh() -> Lock {
        Arc::new(exercise::SpinLock::new(Tracked::new(0)))
    }

    /// The payload itself, through `Deref`: methods that the guard may have of
    /// its own are not asked.
    fn payload<'a>(guard: &'a exercise::SpinGuard<'_, Tracked<u32>>) -> &'a Tracked<u32> {
        ::core::ops::Deref::deref(guard)
    }

    fn add(lock: &Lock) {
        payload(&lock.lock()).update(|n| n + 1);
    }

    /// Adds if it gets the lock: so many times.
    fn try_to_add(lock: &Lock) -> u32 {
        let Some(guard) = lock.try_lock() else { return 0 };
        payload(&guard).update(|n| n + 1);
        1
    }

    fn sum(lock: &Lock) -> u32 {
        payload(&lock.lock()).get()
    }

    /// Two threads lock, and each changes the payload.
    pub fn both_lock() {
        let lock = fresh();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
    }

    /// A thread panics while it holds the lock, and the other one locks.
    pub fn a_holder_panics() {
        let lock = fresh();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let guard = theirs.lock();
                payload(&guard).update(|n| n + 1);
                std::panic::resume_unwind(Box::new(()));
            }));
        });
        add(&lock);
        thread.join().unwrap();
    }

    /// One thread locks, the other tries.
    pub fn one_locks_and_one_tries() {
        let lock = fresh();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        try_to_add(&lock);
        thread.join().unwrap();
    }

    /// Both try, and go away if they do not get it.
    pub fn both_try() {
        let lock = fresh();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || try_to_add(&theirs));
        try_to_add(&lock);
        thread.join().unwrap();
    }

    /// Both try: the lock was free, so one of them at least must get it.
    pub fn one_of_two_tries_wins() {
        let lock = fresh();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || try_to_add(&theirs));
        let mine = try_to_add(&lock);
        let got = mine + thread.join().unwrap();
        assert!(got > 0, "two threads called try_lock() on a free lock, and neither got a guard");
        let again = try_to_add(&lock);
        assert!(again == 1, "two threads had tried and were gone, and try_lock() on the free lock gave no guard");
    }

    /// One tries while the lock is held or after that; the other frees it and
    /// tries, too. If the first got nothing, the lock is free for the second.
    pub fn trying_beside_a_failed_try() {
        let lock = fresh();
        let guard = lock.lock();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || try_to_add(&theirs));
        drop(guard);
        let mine = try_to_add(&lock);
        let got = mine + thread.join().unwrap();
        assert!(got > 0, "the holder freed the lock, and then its try_lock() gave no guard, although only another try_lock(), which failed too, was under way");
    }

    /// Somebody had to wait for the lock; then all are gone, and it is free.
    pub fn trying_after_a_wait() {
        let lock = fresh();
        let guard = lock.lock();
        let theirs = Arc::clone(&lock);
        let waiter = thread::spawn(move || add(&theirs));
        payload(&guard).update(|n| n + 1);
        drop(guard);
        waiter.join().unwrap();
        let got = try_to_add(&lock);
        assert!(got == 1, "a thread had waited for the lock and was gone, and try_lock() on the free lock gave no guard");
    }

    /// Each of two threads adds twice; nothing may be missing.
    pub fn both_add_twice() {
        let lock = fresh();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            add(&theirs);
            add(&theirs);
        });
        add(&lock);
        add(&lock);
        thread.join().unwrap();
        let sum = sum(&lock);
        assert_eq!(sum, 4, "two threads added twice each under the lock, and the sum (left) is not 4 (right)");
    }

    /// Three threads lock.
    pub fn three_lock() {
        let lock = fresh();
        let threads = [(); 2].map(|()| {
            let theirs = Arc::clone(&lock);
            thread::spawn(move || add(&theirs))
        });
        add(&lock);
        for thread in threads {
            thread.join().unwrap();
        }
        let sum = sum(&lock);
        assert_eq!(sum, 3, "three threads added once each under the lock, and the sum (left) is not 3 (right)");
    }

    /// Four threads that the scenario starts lock; the scenario itself does not.
    pub fn four_others_lock() {
        let lock = fresh();
        let threads = [(); 4].map(|()| {
            let theirs = Arc::clone(&lock);
            thread::spawn(move || add(&theirs))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        let sum = sum(&lock);
        assert_eq!(sum, 4, "four threads added once each under the lock, and the sum (left) is not 4 (right)");
    }

    /// While one thread holds the lock, another tries and a third waits.
    pub fn held_tried_and_awaited() {
        let lock = fresh();
        let guard = lock.lock();
        let (tries, waits) = (Arc::clone(&lock), Arc::clone(&lock));
        let tries = thread::spawn(move || try_to_add(&tries));
        let waits = thread::spawn(move || add(&waits));
        payload(&guard).update(|n| n + 1);
        drop(guard);
        waits.join().unwrap();
        let due = 2 + tries.join().unwrap();
        let sum = sum(&lock);
        assert_eq!(sum, due, "the sum of what three threads added under the lock is (left) and not (right)");
    }

    /// As many threads as can be explored wait at the same time.
    pub fn a_crowd_waits() {
        let lock = fresh();
        let guard = lock.lock();
        let threads = [(); 24].map(|()| {
            let theirs = Arc::clone(&lock);
            thread::spawn(move || add(&theirs))
        });
        payload(&guard).update(|n| n + 1);
        drop(guard);
        for thread in threads {
            thread.join().unwrap();
        }
        let sum = sum(&lock);
        assert_eq!(sum, 25, "25 threads added once each under the lock, and the sum (left) is not 25 (right)");
    }

    /// One holds the lock all the time that another tries.
    pub fn trying_while_it_is_held() {
        let lock = fresh();
        let guard = lock.lock();
        for attempt in ["first", "second"] {
            assert!(lock.try_lock().is_none(), "the {attempt} try_lock() on a held lock gave a guard");
        }
        let theirs = Arc::clone(&lock);
        let got = thread::spawn(move || theirs.try_lock().is_some()).join().unwrap();
        assert!(!got, "try_lock() of another thread gave a guard while the lock was held");
        payload(&guard).update(|n| n + 1);
        drop(guard);
        let got = lock.try_lock().is_some();
        assert!(got, "try_lock() on a free lock gave no guard");
    }

    /// The holder lets go while another waits.
    pub fn waiting_for_the_holder() {
        let lock = fresh();
        let guard = lock.lock();
        let theirs = Arc::clone(&lock);
        let waiter = thread::spawn(move || sum(&theirs));
        payload(&guard).set(7);
        drop(guard);
        let seen = waiter.join().unwrap();
        assert_eq!(seen, 7, "who waited for the lock read (left), not what the holder had written (right)");
    }

    /// The holder came by try_lock(), and another one tries until it gets in.
    pub fn trying_until_it_is_free() {
        let lock = fresh();
        let guard = lock.try_lock();
        let theirs = Arc::clone(&lock);
        let other = thread::spawn(move || while try_to_add(&theirs) == 0 {
            ::core::hint::spin_loop();
            thread::yield_now();
        });
        if let Some(guard) = &guard {
            payload(guard).set(7);
        }
        drop(guard);
        other.join().unwrap();
    }

    /// The holder came by try_lock(), and another one waits in lock().
    pub fn waiting_after_a_try() {
        let lock = fresh();
        let guard = lock.try_lock();
        let theirs = Arc::clone(&lock);
        let waiter = thread::spawn(move || add(&theirs));
        if let Some(guard) = &guard {
            payload(guard).set(7);
        }
        drop(guard);
        waiter.join().unwrap();
    }

    /// The holder waits for the waiter, so nobody will ever let go.
    pub fn waiting_for_ever() {
        let lock = fresh();
        let _guard = lock.lock();
        let theirs = Arc::clone(&lock);
        let waiter = thread::spawn(move || drop(theirs.lock()));
        waiter.join().unwrap();
    }

    /// One thread locks twice.
    pub fn locking_it_twice() {
        let lock = fresh();
        let _first = lock.lock();
        let _second = lock.lock();
    }
}

#[proctor::test(clauses = [1, 10, 12], subject = |(): ()| {
    [scenarios::both_lock, scenarios::one_locks_and_one_tries, scenarios::both_try].map(interleave::explore).to_vec()
})]
fn two_threads_never_hold_it_at_once(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [1, 10, 12, 15], subject = |(): ()| {
    let explore = Explore::new().executions(400);
    [scenarios::three_lock, scenarios::four_others_lock, scenarios::held_tried_and_awaited]
        .map(|scenario| explore.of(scenario))
        .to_vec()
})]
fn three_threads_never_hold_it_at_once(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [1, 10, 12], subject = |(): ()| {
    vec![Explore::new().executions(3).of(scenarios::a_crowd_waits)]
})]
fn a_crowd_of_waiters_gets_in_one_by_one(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [1, 10, 12], subject = |(): ()| vec![interleave::explore(scenarios::both_add_twice)])]
fn no_update_is_lost(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

/// More steps than any lock needs for one lock() and four try_lock().
const STEPS_OF_TRYING: u64 = 60;

#[proctor::test(clauses = [1, 14, 15], subject = |(): ()| vec![interleave::explore(scenarios::trying_while_it_is_held)])]
fn try_lock_gives_up_while_it_is_held(mut subject: Subject) {
    let found = subject.ask(&()).value;
    all_must_hold(&found);
    let steps = found[0].scheduling_points;
    assert!(
        steps <= STEPS_OF_TRYING,
        "try_lock() tries again before it returns None: one lock() and four try_lock() took {steps} steps, and {STEPS_OF_TRYING} are plenty"
    );
}

#[proctor::test(clauses = [1, 10, 12, 13, 15], subject = |(): ()| {
    [
        scenarios::one_of_two_tries_wins,
        scenarios::trying_beside_a_failed_try,
        scenarios::trying_after_a_wait,
    ].map(interleave::explore).to_vec()
})]
fn try_lock_takes_a_free_lock(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [1, 10, 11, 12], subject = |(): ()| {
    [scenarios::waiting_for_the_holder, scenarios::waiting_for_ever].map(interleave::explore).to_vec()
})]
fn a_held_lock_is_waited_for_by_trying_again(mut subject: Subject) {
    let found = subject.ask(&()).value;
    let [waiting, forever] = &found[..] else {
        panic!("two scenarios and {} explorations", found.len());
    };
    waiting.must_hold();
    if waiting.replayed.is_none() {
        must_spin(
            forever,
            "lock() returned although the lock was held: it gave up waiting",
        );
    } // else: the verdicts on the other scenario come without a schedule
}

#[proctor::test(clauses = [1, 4, 10, 11], subject = |(): ()| interleave::explore(scenarios::locking_it_twice))]
fn the_holder_is_not_let_in_again(mut subject: Subject) {
    let found = subject.ask(&()).value;
    if found.replayed.is_none() {
        must_spin(
            &found,
            "a thread called lock() while it held the lock, and got a second guard for the same value",
        );
    }
}

/// The one right thing to find is a spin that never ends.
fn must_spin(found: &Exploration, returned: &str) {
    match found.failure.as_ref().map(|failure| failure.kind) {
        Some(FailureKind::Spin) => {}
        Some(FailureKind::Deadlock) => proctor::fail(
            Outcome::Fail,
            "a thread that waits in lock() goes to sleep until it is woken: the lock is made of another lock or of a queue of sleepers, and its waiters should try again",
        ),
        None if found.not_judged.is_none() => proctor::fail(Outcome::Fail, returned),
        _ => found.must_hold(),
    }
}

#[proctor::test(clauses = [1, 10, 11, 12, 18], subject = |(): ()| {
    [scenarios::both_lock, scenarios::one_locks_and_one_tries, scenarios::both_try, scenarios::a_holder_panics].map(interleave::explore).to_vec()
})]
fn what_a_holder_wrote_the_next_one_sees(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

#[proctor::test(clauses = [1, 10, 12, 15], subject = |(): ()| {
    [
        scenarios::waiting_for_the_holder,
        scenarios::waiting_after_a_try,
        scenarios::trying_until_it_is_free,
        scenarios::both_add_twice,
        scenarios::held_tried_and_awaited,
    ]
    .map(|scenario| Explore::new().executions(500).of(scenario))
    .to_vec()
})]
fn what_a_holder_wrote_is_seen_after_waiting(mut subject: Subject) {
    all_must_hold(&subject.ask(&()).value);
}

// Real threads.

/// What came of a lock that one thread holds while others come, for real: on
/// the machine's own atomics, not the explorer's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Held {
    /// What another thread got by try_lock() while it was held.
    tried: Option<u64>,
    /// Whether another thread came out of lock() while it was held.
    entered: bool,
    /// What that thread found when it did come out.
    found: u64,
}

#[proctor::test(clauses = [1, 10, 14, 15], deadline = 30.0, subject = |(before, after): (u64, u64)| -> Held {
    let lock = SpinLock::new(before);
    let entered = AtomicBool::new(false);
    let (send, receive) = mpsc::channel();
    thread::scope(|scope| {
        let mut guard = lock.lock();
        let tried = scope.spawn(|| lock.try_lock().map(|guard| *guard));
        let tried = tried.join().expect("try_lock() does not panic");
        let waiter = scope.spawn(|| {
            send.send(Onlooker::of_this_thread()).expect("the other end waits");
            let guard = lock.lock();
            entered.store(true, Ordering::SeqCst);
            *guard
        });
        // The holder stands still in its critical section until the other
        // thread cannot come any further.
        let mut onlooker = receive.recv().expect("it sends before it locks");
        onlooker.until_it_waits_or(|| entered.load(Ordering::SeqCst));
        let early = entered.load(Ordering::SeqCst);
        *guard = after;
        drop(guard);
        let found = waiter.join().expect("lock() does not panic");
        Held { tried, entered: early, found }
    })
})]
fn a_holder_keeps_real_threads_out(mut subject: Subject) {
    let [before, after] = std::array::from_fn(|_| proctor::random::<u64>());
    let held = subject.ask(&(before, after)).value;
    assert_eq!(
        held.tried, None,
        "one thread held the lock, and try_lock() of another gave a guard: real threads are not kept out"
    );
    assert!(
        !held.entered,
        "one thread held the lock, and lock() of another came back: real threads are not kept out"
    );
    assert_eq!(
        held.found, after,
        "a thread that had waited for the lock found (left), not what the holder wrote (right)"
    );
}

#[proctor::test(clauses = [1, 10, 13], deadline = 60.0, subject = |waiters: usize| -> (Vec<usize>, u64, bool) {
    let lock = SpinLock::new(0_u64);
    let inside = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    let (came, coming) = mpsc::channel::<(usize, mpsc::Sender<()>)>();
    let mut together = Vec::new();
    thread::scope(|scope| {
        let guard = lock.lock();
        let mut onlookers = Vec::new();
        for number in 0..waiters {
            let (lock, inside, send, came) = (&lock, &inside, send.clone(), came.clone());
            scope.spawn(move || {
                send.send(Onlooker::of_this_thread()).expect("the other end waits");
                let mut guard = lock.lock();
                inside.fetch_add(1, Ordering::SeqCst);
                *guard += 1;
                // Stands still until it may leave.
                let (leave, leaving) = mpsc::channel();
                came.send((number, leave)).expect("the other end waits");
                leaving.recv().expect("everybody may leave");
                inside.fetch_sub(1, Ordering::SeqCst);
            });
            onlookers.push(receive.recv().expect("it sends before it locks"));
        }
        let settle = |onlookers: &mut Vec<Onlooker>, allowed: usize| {
            for onlooker in onlookers {
                onlooker.until_it_waits_or(|| inside.load(Ordering::SeqCst) > allowed);
            }
            inside.load(Ordering::SeqCst)
        };
        together.push(settle(&mut onlookers, 0));
        drop(guard);
        for _ in 0..waiters {
            let (_, leave) = coming.recv().expect("somebody gets in");
            together.push(settle(&mut onlookers, 1));
            leave.send(()).expect("it waits for that");
        }
    });
    let free = lock.try_lock().is_some();
    (together, lock.into_inner(), free)
})]
fn real_waiters_get_in_one_by_one(mut subject: Subject) {
    let waiters = 3;
    let (together, sum, free) = subject.ask(&waiters).value;
    assert_eq!(
        together[0], 0,
        "while one thread held the lock, (left) of {waiters} others came out of lock()"
    );
    assert!(
        together[1..].iter().all(|inside| *inside == 1),
        "{waiters} threads waited for the lock, and when it was let go so many of them held it at once, each time that somebody got in: {:?}",
        &together[1..]
    );
    assert_eq!(
        sum, 3,
        "three threads added once each under the lock, and the sum (left) is not 3 (right)"
    );
    assert!(
        free,
        "all threads have let go, and try_lock() gave no guard"
    );
}

#[proctor::test(clauses = [1, 14, 15], deadline = 30.0, processes = 200, subject = |threads: u64| -> (u64, u64) {
    let lock = SpinLock::new(0_u64);
    let got = AtomicU64::new(0);
    let (turn, turns) = mpsc::channel::<mpsc::Sender<mpsc::Sender<()>>>();
    thread::scope(|scope| {
        let guard = lock.lock();
        for _ in 0..threads {
            let (lock, got, turn) = (&lock, &got, turn.clone());
            scope.spawn(move || {
                got.fetch_add(u64::from(lock.try_lock().is_some()), Ordering::SeqCst);
                // Waits for its turn and says that it is over.
                let (give, given) = mpsc::channel();
                turn.send(give).expect("the other end waits");
                let done: mpsc::Sender<()> = given.recv().expect("everybody has a turn");
                *lock.lock() += 1;
                done.send(()).expect("the other end waits");
            });
        }
        let all: Vec<_> = (0..threads).map(|_| turns.recv().expect("everybody tries")).collect();
        drop(guard);
        for give in all {
            let (done, over) = mpsc::channel();
            give.send(done).expect("it waits for that");
            over.recv().expect("it says so");
        }
    });
    (got.into_inner(), lock.into_inner())
})]
fn sixty_five_threads_use_it(mut subject: Subject) {
    let threads = 65;
    let (got, sum) = subject.ask(&threads).value;
    assert_eq!(
        got, 0,
        "one thread held the lock, {threads} others called try_lock(), and (left) of them got a guard"
    );
    assert_eq!(
        sum, threads,
        "{threads} threads added once each, in turn, and the sum is (left) instead of (right)"
    );
}

#[proctor::test(clauses = [1], slow = true, deadline = 60.0, processes = 400, memory = 4096, subject = |waiters: usize| -> usize {
    // None of this is ever given back: the threads wait until the process ends.
    let lock: &'static SpinLock<u64> = Box::leak(Box::new(SpinLock::new(0)));
    let inside: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    mem::forget(lock.lock());
    for _ in 0..waiters {
        let (send, receive) = mpsc::channel();
        let waiter = move || {
            send.send(Onlooker::of_this_thread()).expect("the other end waits");
            mem::forget(lock.lock());
            inside.fetch_add(1, Ordering::SeqCst);
        };
        thread::Builder::new().stack_size(64 << 10).spawn(waiter).expect("a thread more");
        let mut onlooker = receive.recv().expect("it sends before it locks");
        onlooker.until_it_waits_or(|| inside.load(Ordering::SeqCst) > 0);
        if inside.load(Ordering::SeqCst) > 0 {
            break;
        }
        // It stays in lock(), and leaves the CPU to the next one.
        onlooker.freeze();
    }
    inside.load(Ordering::SeqCst)
})]
fn two_hundred_and_sixty_waiters_stay_out(mut subject: Subject) {
    let waiters = 260;
    let inside = subject.ask(&waiters).value;
    assert_eq!(
        inside, 0,
        "one thread held the lock and {waiters} threads waited for it, and lock() returned to (left) of them"
    );
}

/// Two words that are equal whenever nobody is inside.
type Pair = (u64, u64);

#[proctor::test(clauses = [1, 10], deadline = 60.0, subject = |(threads, rounds): (usize, u64)| -> (Pair, u64) {
    let lock = SpinLock::new((0, 0));
    let torn = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for round in 0..rounds {
                    let mut pair = lock.lock();
                    if pair.0 != pair.1 {
                        torn.fetch_add(1, Ordering::Relaxed);
                    }
                    pair.0 += 1;
                    if round % 8 == 0 {
                        // Now and then the holder is off the CPU inside.
                        thread::yield_now();
                    }
                    pair.1 += 1;
                }
            });
        }
    });
    (lock.into_inner(), torn.into_inner())
})]
fn real_threads_do_not_tear_what_it_protects(mut subject: Subject) {
    // Few rounds: a fair lock may need a turn of the scheduler for each of them.
    let (threads, rounds) = (3, proctor::rng().u64(40..60));
    let (pair, torn) = subject.ask(&(threads, rounds)).value;
    assert!(
        torn == 0,
        "{threads} threads changed two words {rounds} times each under the lock, and {torn} times one of them found the other at work"
    );
    let due = threads as u64 * rounds;
    assert!(
        pair == (due, due),
        "{threads} threads added 1 to two words {rounds} times each under the lock; each should be {due}, and they are {pair:?}"
    );
}

#[proctor::test(clauses = [1, 10, 11], slow = true, deadline = 4.0, subject = |(): ()| {
    let lock: &'static SpinLock<u64> = Box::leak(Box::new(SpinLock::new(0)));
    let _guard = lock.lock();
    thread::spawn(|| drop(lock.lock())).join().is_ok()
})]
fn a_real_waiter_waits_and_stays_awake(mut subject: Subject) {
    let ending = subject.try_ask(&());
    never_returns(ending.map(|_| ()), "lock() of another thread");
}

#[proctor::test(clauses = [1, 4, 10, 11], slow = true, deadline = 4.0, subject = |(): ()| {
    let lock = SpinLock::new(0_u64);
    let _first = lock.lock();
    let _second = lock.lock();
})]
fn a_real_holder_that_locks_again_never_returns(mut subject: Subject) {
    let ending = subject.try_ask(&());
    never_returns(ending.map(|_| ()), "a second lock() of the holder");
}

/// Judges a call that must try for ever.
fn never_returns(ending: Result<(), proctor::Failing>, call: &str) {
    match ending {
        Ok(()) => proctor::fail(
            Outcome::Fail,
            format!("the lock was held, and {call} came back").as_str(),
        ),
        // A waiter that yields or sleeps for a while never runs in a circle.
        Err(failing) if [Outcome::Spin, Outcome::Timeout].contains(&failing.outcome) => {}
        Err(failing) if failing.outcome == Outcome::Deadlock => {
            let meaning = "a thread that waits in lock() sleeps in the kernel until it is woken, and it should try again";
            Gate::explained(failing, meaning).end()
        }
        Err(failing) => failing.end(),
    }
}

#[proctor::test(clauses = [1, 14, 15], faults = [Pause], deadline = 30.0, subject = |attempts: u32| -> u32 {
    let lock = SpinLock::new(0_u64);
    let _guard = lock.lock();
    let mut refused = 0;
    for _ in 0..attempts {
        refused += u32::from(lock.try_lock().is_none());
    }
    refused
})]
fn try_lock_does_not_pause(mut subject: Subject) {
    let attempts = 100_000;
    // They do nothing, and are counted.
    subject.fail(Failure::of(Fault::Pause, Errno::UnknownErrno).times(u32::MAX));
    let answer = subject.ask(&attempts);
    assert_eq!(
        answer.value, attempts,
        "of {attempts} try_lock() on a held lock (left) returned None"
    );
    let pauses = answer.evidence.faults;
    assert_eq!(
        pauses, 0,
        "{attempts} try_lock() on a held lock called sched_yield or slept (left) times: try_lock() waits before it returns None"
    );
    let sleeps = answer.evidence.voluntary_switches;
    assert!(
        sleeps < u64::from(attempts) / 2,
        "{attempts} try_lock() on a held lock put the thread to sleep {sleeps} times: try_lock() waits before it returns None"
    );
}

// Values.

#[proctor::test(clauses = [1, 14, 16, 17], faults = [Pause], subject = |(before, after): (u64, u64)| -> (u64, u64, bool) {
    let mut lock = SpinLock::new(before);
    let seen = mem::replace(lock.get_mut(), after);
    let free = lock.try_lock().is_some();
    let next = *lock.get_mut();
    (seen, next, free)
}, forgotten = |(before, after): (String, String)| -> (String, String) {
    let mut lock = SpinLock::new(before);
    let mut guard = lock.lock();
    *guard = after;
    mem::forget(guard);
    let seen = lock.get_mut().clone();
    lock.get_mut().push('!');
    (seen, mem::take(lock.get_mut()))
})]
fn get_mut_needs_no_lock(mut subject: Subject, mut forgotten: Subject) {
    let [before, after] = std::array::from_fn(|_| proctor::random::<u64>());
    assert_eq!(
        subject.ask(&(before, after)).value,
        (before, after, true),
        "get_mut() read the value, then wrote another and read it again; then try_lock() gave a guard or not: (left), and should have been (right)"
    );
    let [before, after] = std::array::from_fn(|_| proctor::random::<String>());
    forgotten.fail(Failure::of(Fault::Pause, Errno::UnknownErrno).times(u32::MAX));
    let answer = forgotten
        .try_ask(&(before, after.clone()))
        .unwrap_or_else(|failing| {
            Gate::explained(
                failing,
                "a guard was forgotten, and get_mut() does not return: it waits for the lock",
            )
            .end()
        });
    let (seen, next) = answer.value;
    assert_eq!(
        (seen, next),
        (after.clone(), after + "!"),
        "a holder wrote to the value and forgot its guard; get_mut() then read, and read after writing, (left) instead of (right)"
    );
    returned_at_once(&answer.evidence, "get_mut()");
}

/// After a question for which pauses did nothing and were counted.
#[track_caller]
fn returned_at_once(evidence: &proctor::Evidence, call: &str) {
    assert_eq!(
        evidence.faults, 0,
        "a guard was forgotten, and {call} called sched_yield or slept (left) times: it waits for a holder that cannot come back"
    );
}

#[proctor::test(clauses = [7, 16, 17], faults = [Pause], subject = |(before, after): (String, String)| -> (String, String) {
    let lock = SpinLock::new(before.clone());
    let untouched = lock.into_inner();
    let lock = SpinLock::new(before);
    *lock.lock() = after;
    (untouched, lock.into_inner())
}, forgotten = |(before, after): (String, String)| -> String {
    let lock = SpinLock::new(before);
    let mut guard = lock.lock();
    *guard = after;
    mem::forget(guard);
    lock.into_inner()
})]
fn into_inner_needs_no_lock(mut subject: Subject, mut forgotten: Subject) {
    let [before, after] = std::array::from_fn(|_| proctor::random::<String>());
    assert_eq!(
        subject.ask(&(before.clone(), after.clone())).value,
        (before.clone(), after.clone()),
        "into_inner() of an unused lock and of one whose holder wrote gave (left) and should have given (right)"
    );
    forgotten.fail(Failure::of(Fault::Pause, Errno::UnknownErrno).times(u32::MAX));
    let answer = forgotten
        .try_ask(&(before, after.clone()))
        .unwrap_or_else(|failing| {
            Gate::explained(
                failing,
                "a guard was forgotten, and into_inner() does not return: it waits for the lock",
            )
            .end()
        });
    assert_eq!(
        answer.value, after,
        "a holder wrote to the value and forgot its guard; into_inner() then gave (left) instead of (right)"
    );
    returned_at_once(&answer.evidence, "into_inner()");
}

/// A value that lies on cache lines of its own.
#[repr(align(128))]
struct Aligned(#[allow(dead_code)] u8);

/// A value that lies on pages of its own.
#[repr(align(16384))]
struct Paged(#[allow(dead_code)] u8);

/// Where the value lies, seen in all ways: by two guards, exclusively and
/// shared, and by `get_mut`. The last says whether it is aligned, and in the lock.
fn addresses<T>(mut lock: SpinLock<T>) -> (Vec<usize>, bool) {
    let mut all = Vec::new();
    {
        let mut guard = lock.lock();
        all.push(std::ptr::from_ref::<T>(&guard).addr());
        all.push(std::ptr::from_mut::<T>(&mut guard).addr());
    }
    all.extend(
        lock.try_lock()
            .map(|guard| std::ptr::from_ref::<T>(&guard).addr()),
    );
    all.push(std::ptr::from_mut(lock.get_mut()).addr());
    let aligned = all[0].is_multiple_of(align_of::<T>());
    (all, aligned)
}

#[proctor::test(clauses = [3, 17], subject = |value: u8| -> Vec<(String, Vec<usize>, bool)> {
    let mut found = Vec::new();
    let mut note = |name: &str, (all, aligned): (Vec<usize>, bool)| found.push((name.to_owned(), all, aligned));
    note("u8", addresses(SpinLock::new(value)));
    note("()", addresses(SpinLock::new(())));
    note("String", addresses(SpinLock::new(value.to_string())));
    note("[u64; 8192]", addresses(SpinLock::new([u64::from(value); 8192])));
    note("a value aligned to 128 bytes", addresses(SpinLock::new(Aligned(value))));
    note("a value aligned to 16 KiB", addresses(SpinLock::new(Paged(value))));
    found
}, again = |rounds: u64| -> Option<u64> {
    let lock = SpinLock::new(0_u64);
    let address = std::ptr::from_ref::<u64>(&lock.lock()).addr();
    (1..=rounds).find(|_| std::ptr::from_ref::<u64>(&lock.lock()).addr() != address)
}, written = |(first, second): (u64, u64)| -> (u64, u64, u64) {
    let lock = SpinLock::new((first, [0_u8; 4000]));
    let mut guard = lock.lock();
    let kept: *mut u64 = &mut guard.0;
    guard.0 = second;
    // SAFETY: the guard is alive and not borrowed.
    let seen = unsafe { *kept };
    drop(guard);
    let next = lock.lock().0;
    (seen, next, lock.into_inner().0)
})]
fn a_guard_lends_the_value_where_it_lies(
    mut subject: Subject,
    mut again: Subject,
    mut written: Subject,
) {
    let value = proctor::random::<u8>();
    for (name, all, aligned) in subject.ask(&value).value {
        assert!(
            all.len() == 4 && all.iter().all(|address| *address == all[0]),
            "a guard should lend the value in the lock, not a copy: two guards and get_mut() gave a value ({name}) at different addresses, {all:x?}"
        );
        assert!(
            aligned,
            "a guard lends a value ({name}) at an address that is not aligned: {all:x?}"
        );
    }
    let moved = again.ask(&70_000).value;
    assert_eq!(
        moved, None,
        "the value should stay where it is, and in this locking of 70,000 a guard lent one at another address"
    );
    let [first, second] = std::array::from_fn(|_| proctor::random::<u64>());
    assert_eq!(
        written.ask(&(first, second)).value,
        (second, second, second),
        "written through the guard, then read by the guard, by the next one and from into_inner(): (left), and should have been (right)"
    );
}

/// Without any bound: it compiles only if the lock has none.
fn used<T>(value: T) -> (T, bool) {
    fn change<T>(guard: Option<SpinGuard<'_, T>>, use_it: impl FnOnce(&mut T)) -> bool {
        guard.is_some_and(|mut guard| {
            use_it(&mut guard);
            true
        })
    }
    let mut lock: SpinLock<T> = SpinLock::new(value);
    let mut ok = change(Some(lock.lock()), |_| ());
    ok &= change(lock.try_lock(), |_| ());
    let _: &mut T = lock.get_mut();
    (lock.into_inner(), ok)
}

#[proctor::test(clauses = [6, 7], subject = |text: String| -> (bool, String, usize, String) {
    // Not Send, not Sync; without a size; a trait object; a large one.
    let shared = Rc::new(RefCell::new(text.clone()));
    let (back, ok) = used(Rc::clone(&shared));
    let rc = ok && Rc::ptr_eq(&back, &shared) && Rc::strong_count(&shared) == 2;
    let boxed: Box<dyn Fn() -> usize> = Box::new(|| shared.borrow().len());
    let length = used(boxed).0();
    let rest = used(()).1 && used([7_u8; 65_536]).0[65_535] == 7 && used(None::<&str>).1;
    let rest = rest && used([text.len(); 20_000]).1;
    // Borrowed from this stack, and shared with other threads in a scope. (A
    // lock may have a destructor, so it goes before the borrow ends.)
    let mut borrowed = text.clone();
    {
        let lock = SpinLock::new(&mut borrowed);
        thread::scope(|scope| {
            for _ in 0..2 {
                let _ = scope.spawn(|| lock.lock().push('+')).join();
            }
        });
    }
    let read = {
        let word = SpinLock::new(text.as_str());
        thread::scope(|scope| scope.spawn(|| word.lock().to_owned()).join())
    };
    (rc && rest, borrowed, length, read.unwrap_or_default())
})]
fn every_type_of_value_fits(mut subject: Subject) {
    let text = proctor::random::<String>();
    let (rest, borrowed, length, read) = subject.ask(&text).value;
    assert!(
        rest,
        "an Rc, a (), a None or a large array did not come out of the lock as it went in"
    );
    assert_eq!(
        borrowed,
        format!("{text}++"),
        "two threads added a character each to a borrowed String behind the lock"
    );
    assert_eq!(
        length,
        text.len(),
        "a boxed closure behind the lock gave (left) instead of (right)"
    );
    assert_eq!(
        read, text,
        "another thread read a borrowed &str behind the lock"
    );
}

/// What has become of the values that were behind a lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Lives {
    /// In which way the lock was used.
    way: String,
    /// How many of the values should have been dropped, and how many were.
    due: usize,
    dropped: usize,
    wrongs: Vec<String>,
}

/// Uses a lock with probes behind it in one way.
fn life(way: &str, due: usize, use_it: impl FnOnce(&Probes)) -> Lives {
    let probes = Probes::new();
    use_it(&probes);
    Lives {
        way: way.to_owned(),
        due,
        dropped: probes.made() as usize - probes.alive().len(),
        wrongs: probes.wrongs(),
    }
}

#[proctor::test(clauses = [2, 7, 14, 16], subject = |(): ()| -> (Vec<Lives>, Vec<i64>) {
    let lock = |probes: &Probes| SpinLock::new(probes.probe());
    let all = vec![
        life("dropping the lock", 1, |probes| drop(lock(probes))),
        life("locking, trying, and dropping the lock", 1, |probes| {
            let lock = lock(probes);
            drop(lock.lock());
            drop(lock.try_lock());
            let guard = lock.lock();
            drop(lock.try_lock());
            drop(guard);
        }),
        life("into_inner(), with the value still in use", 0, |probes| {
            mem::forget(lock(probes).into_inner());
        }),
        life("into_inner(), and dropping the value", 1, |probes| {
            let lock = lock(probes);
            drop(lock.lock());
            drop(lock.into_inner());
        }),
        life("forgetting a guard, and dropping the lock", 1, |probes| {
            let lock = lock(probes);
            mem::forget(lock.lock());
        }),
        life("dropping the lock while a panic unwinds", 1, |probes| {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let _lock = lock(probes);
                panic!("the lock goes with it");
            }));
        }),
        life("forgetting a guard, and into_inner()", 0, |probes| {
            let lock = lock(probes);
            mem::forget(lock.lock());
            mem::forget(lock.into_inner());
        }),
        life("replacing the value through a guard, and dropping the lock", 2, |probes| {
            let lock = lock(probes);
            *lock.lock() = probes.probe();
        }),
        life("replacing the value by get_mut(), and into_inner()", 1, |probes| {
            let mut lock = lock(probes);
            *lock.get_mut() = probes.probe();
            mem::forget(lock.into_inner());
        }),
        life("a panic while it is held, and dropping the lock", 1, |probes| {
            let lock = lock(probes);
            let _ = catch_unwind(AssertUnwindSafe(|| {
                let _guard = lock.lock();
                panic!("while it holds the lock");
            }));
        }),
        life("dropping the lock in another thread", 1, |probes| {
            let lock = lock(probes);
            drop(lock.lock());
            let _ = thread::spawn(move || drop(lock)).join();
        }),
    ];
    // Values without a size are counted, not logged.
    let before = EmptyProbe::alive();
    let lock = SpinLock::new(EmptyProbe::new());
    drop(lock.lock());
    let mut empty = vec![EmptyProbe::alive() - before];
    drop(lock);
    empty.push(EmptyProbe::alive() - before);
    let kept = SpinLock::new(EmptyProbe::new()).into_inner();
    empty.push(EmptyProbe::alive() - before);
    drop(kept);
    empty.push(EmptyProbe::alive() - before);
    (all, empty)
})]
fn the_value_is_dropped_exactly_once(mut subject: Subject) {
    let (all, empty) = subject.ask(&()).value;
    for Lives {
        way,
        due,
        dropped,
        wrongs,
    } in all
    {
        assert!(
            wrongs.is_empty() && dropped == due,
            "after {way}, {dropped} values have been dropped and {due} should have been {wrongs:?}"
        );
    }
    assert_eq!(
        empty,
        [1, 0, 1, 0],
        "values without a size that are alive after locking, after dropping the lock, after into_inner() and after dropping its result: (left), and should have been (right)"
    );
}

/// Locks when it is dropped: while a panic unwinds.
struct LocksInItsDrop<'a>(&'a SpinLock<Vec<u64>>);

impl Drop for LocksInItsDrop<'_> {
    fn drop(&mut self) {
        self.0.lock().push(1);
        if let Some(mut guard) = self.0.try_lock() {
            guard.push(2);
        }
    }
}

#[proctor::test(clauses = [18], subject = |(before, after): (u64, u64)| {
    let lock = SpinLock::new(before);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = lock.lock();
        *guard = after;
        panic!("while it holds the lock");
    }));
    let found = lock.try_lock().map(|guard| *guard);
    // Not before: it would hang.
    let locked = found.map(|_| *lock.lock());
    (panicked.is_err(), found, locked)
}, unwinding = |(): ()| -> (bool, Option<Vec<u64>>) {
    let lock = SpinLock::new(Vec::new());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _locks = LocksInItsDrop(&lock);
        panic!("before anybody holds the lock");
    }));
    let found = lock.try_lock().map(|guard| guard.clone());
    (panicked.is_err(), found)
}, elsewhere = |after: u64| -> (bool, Option<u64>) {
    let lock = SpinLock::new(0_u64);
    let panicked = thread::scope(|scope| {
        let holder = scope.spawn(|| {
            *lock.try_lock().expect("it is free") = after;
            let _guard = lock.try_lock().expect("it is free");
            panic!("while it holds the lock");
        });
        holder.join().is_err()
    });
    let found = lock.try_lock().map(|guard| *guard);
    (panicked, found)
})]
fn a_panic_while_it_is_held_releases_it(
    mut subject: Subject,
    mut unwinding: Subject,
    mut elsewhere: Subject,
) {
    let [before, after] = std::array::from_fn(|_| proctor::random::<u64>());
    let (panicked, found, locked) = subject.ask(&(before, after)).value;
    assert!(panicked, "the holder's panic did not come out");
    assert!(
        found.is_some(),
        "the holder panicked and the lock is still held: whoever locks it next waits for ever"
    );
    assert_eq!(
        (found, locked),
        (Some(after), Some(after)),
        "after the holder's panic the value, by try_lock() and by lock(), is (left) and should be as it left it (right)"
    );
    let (panicked, found) = elsewhere.ask(&after).value;
    assert!(
        panicked,
        "the panic of a holder in another thread did not come out"
    );
    assert_eq!(
        found,
        Some(after),
        "after the panic of a holder in another thread, try_lock() gave (left) and should have given (right)"
    );
    let (panicked, found) = unwinding.try_ask(&()).unwrap_or_else(|failing| {
        Gate::explained(failing, "a destructor locked, unlocked and locked again while a panic unwound, and lock() does not return").end()
    }).value;
    assert!(panicked, "the panic did not come out");
    assert_eq!(
        found,
        Some(vec![1, 2]),
        "a destructor locked and then tried while a panic unwound; afterwards try_lock() gave (left) and should have given (right)"
    );
}

#[proctor::test(clauses = [1, 3, 8, 10, 14], deadline = 30.0, subject = |(locks, rounds): (usize, usize)| -> Vec<String> {
    let before = Surroundings::now();
    let one = SpinLock::new(0_u64);
    for round in 0..rounds {
        let guard = one.lock();
        if round % 2 == 0 {
            drop(one.try_lock());
        }
        drop(guard);
        drop(one.try_lock());
    }
    for number in 0..locks {
        let lock = SpinLock::new(number);
        drop(lock.lock());
        drop(lock.try_lock());
        lock.into_inner();
    }
    before.changes()
}, contended = |more: Duration| -> (Vec<String>, u32) { contended(more) })]
fn it_leaves_nothing_behind(mut subject: Subject, mut contended: Subject) {
    let (locks, rounds) = (10_000, 20_000);
    let answer = subject.ask(&(locks, rounds));
    assert!(
        answer.value.is_empty(),
        "lock() or try_lock() changed what is not theirs: {}",
        answer.value.join("; ")
    );
    let left = answer.evidence.heap.left;
    assert!(
        left < 8_192,
        "{rounds} rounds with one lock and {locks} locks that were made and taken apart left {left} bytes of memory behind"
    );
    nothing_left(&answer.evidence, 0);
    the_wait_left_nothing(&contended.ask(&Duration::ZERO));
}

#[proctor::test(clauses = [1, 8, 10], slow = true, deadline = 30.0, subject = |more: Duration| -> (Vec<String>, u32) { contended(more) })]
fn a_wait_of_three_seconds_leaves_nothing_behind(mut subject: Subject) {
    the_wait_left_nothing(&subject.ask(&Duration::from_secs(3)));
}

/// One thread waits until the holder lets go, which takes it so much longer
/// than it must. What the wait changed, and the value.
fn contended(more: Duration) -> (Vec<String>, u32) {
    let lock = SpinLock::new(0_u32);
    let (send, receive) = mpsc::channel();
    let changes = thread::scope(|scope| {
        let guard = lock.lock();
        let waiter = scope.spawn(|| {
            let before = Surroundings::now();
            send.send(Onlooker::of_this_thread())
                .expect("the other end waits");
            *lock.lock() += 1;
            before.changes()
        });
        let mut onlooker = receive.recv().expect("it sends before it locks");
        onlooker.until_it_waits();
        thread::sleep(more);
        drop(guard);
        waiter.join().expect("lock() does not panic")
    });
    (changes, lock.into_inner())
}

#[track_caller]
fn the_wait_left_nothing(answer: &Answer<(Vec<String>, u32)>) {
    let (changes, sum) = &answer.value;
    assert!(
        changes.is_empty(),
        "lock() changed what is not its own while it waited: {}",
        changes.join("; ")
    );
    assert_eq!(*sum, 1);
    nothing_left(&answer.evidence, 1);
}

fn nothing_left(evidence: &proctor::Evidence, threads_of_the_test: u32) {
    let started = evidence.threads_started;
    assert!(
        started.is_none_or(|started| started == threads_of_the_test),
        "the test started {threads_of_the_test} threads, and {started:?} were started: a lock needs no thread of its own"
    );
    assert!(
        evidence
            .processes_started
            .is_none_or(|started| started == 0),
        "the lock started a process"
    );
    assert_eq!(
        (
            evidence.children,
            evidence.zombies,
            evidence.orphans,
            evidence.descriptors_left
        ),
        (0, 0, 0, 0),
        "children, zombies, orphans and descriptors that the lock left: (left), and should have been (right)"
    );
    assert!(
        evidence.relics.is_empty() && evidence.files_left.is_empty(),
        "the lock left files or shared memory behind"
    );
}

/// What the compiler says of the types.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Marks {
    /// Whether it is `Send` and `Sync`, for values that may be sent and shared,
    /// sent only, shared only, and neither.
    lock: [(bool, bool); 4],
    guard: [(bool, bool); 4],
}

#[proctor::test(clauses = [5, 19], subject = |(): ()| -> Marks {
    // A stub has these marks, and is no lock.
    drop(SpinLock::new(0_u8).lock());
    type Both = u64;
    type Sent = Cell<u64>;
    type Shared = MutexGuard<'static, u64>;
    type Neither = Rc<u64>;
    Marks {
        lock: [
            (proctor::implements!(SpinLock<Both>: Send), proctor::implements!(SpinLock<Both>: Sync)),
            (proctor::implements!(SpinLock<Sent>: Send), proctor::implements!(SpinLock<Sent>: Sync)),
            (proctor::implements!(SpinLock<Shared>: Send), proctor::implements!(SpinLock<Shared>: Sync)),
            (proctor::implements!(SpinLock<Neither>: Send), proctor::implements!(SpinLock<Neither>: Sync)),
        ],
        guard: [
            (proctor::implements!(SpinGuard<'static, Both>: Send), proctor::implements!(SpinGuard<'static, Both>: Sync)),
            (proctor::implements!(SpinGuard<'static, Sent>: Send), proctor::implements!(SpinGuard<'static, Sent>: Sync)),
            (proctor::implements!(SpinGuard<'static, Shared>: Send), proctor::implements!(SpinGuard<'static, Shared>: Sync)),
            (proctor::implements!(SpinGuard<'static, Neither>: Send), proctor::implements!(SpinGuard<'static, Neither>: Sync)),
        ],
    }
})]
fn it_is_shared_exactly_where_that_is_sound(mut subject: Subject) {
    let Marks { lock, guard } = subject.ask(&()).value;
    let [both, sent, shared, neither] = lock;
    assert!(
        both.0 && sent.0,
        "a SpinLock<u64> and a SpinLock<Cell<u64>> should be Send"
    );
    assert!(both.1, "a SpinLock<u64> should be Sync");
    assert!(
        sent.1,
        "a SpinLock<Cell<u64>> should be Sync: the lock lets one thread at a time at the Cell, which may be sent"
    );
    assert!(
        !neither.1,
        "SpinLock<Rc<u64>> is Sync: two threads could clone the same Rc, one after the other, and count in parallel when they drop their clones"
    );
    assert!(
        !neither.0,
        "SpinLock<Rc<u64>> is Send: an Rc would leave its thread"
    );
    assert!(
        !shared.1,
        "SpinLock<MutexGuard<u64>> is Sync: a value that must stay on its thread (not Send) could be swapped out on another"
    );
    assert!(
        !shared.0,
        "SpinLock<MutexGuard<u64>> is Send: a value that must stay on its thread would leave it with the lock"
    );
    let [_, sent, shared, neither] = guard;
    assert!(
        !sent.1 && !neither.1,
        "SpinGuard<Cell<u64>> or SpinGuard<Rc<u64>> is Sync: two threads that share one guard would be in the Cell at once"
    );
    assert!(
        !shared.0 && !neither.0,
        "SpinGuard<MutexGuard<u64>> or SpinGuard<Rc<u64>> is Send: a value that must stay on its thread would leave it with the guard"
    );
}
