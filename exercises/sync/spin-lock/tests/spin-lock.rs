//! What a spin lock must do, judged from outside: in the real world, in every
//! schedule, and under the memory model.
proctor::exercise!(spin_lock);

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{MutexGuard, mpsc};
use std::thread;

use interleave::{Exploration, FailureKind};
use proctor::{Onlooker, Outcome, Subject};
use serde::{Deserialize, Serialize};
use spin_lock::{SpinGuard, SpinLock};

/// Does not compile unless `new` can be called for a static.
const fn for_a_static(value: u64) -> SpinLock<u64> {
    SpinLock::new(value)
}

#[proctor::test(subject = |(first, second, other): (u64, u64, u64)| {
    let mut lock = for_a_static(first);
    let mut seen = Vec::new();
    let mut guard = lock.lock();
    seen.push(*guard);
    *guard = second;
    seen.push(*guard);
    // Not the same lock, so not held.
    let another = SpinLock::new(other);
    let free = another.try_lock().map(|guard| *guard);
    drop(guard);
    // Not lock(): a lock that is not released would hang here.
    let released = lock.try_lock().map(|guard| *guard);
    *lock.get_mut() ^= other;
    seen.push(*lock.get_mut());
    seen.push(lock.into_inner());
    (seen, free, released)
})]
fn it_keeps_a_value_and_lends_it_to_the_holder(mut subject: Subject) {
    let [first, second, other] = std::array::from_fn(|_| proctor::random::<u64>());
    let (seen, free, released) = subject.ask(&(first, second, other)).value;
    assert_eq!(
        free,
        Some(other),
        "try_lock() on one lock while another is held gave (left) and should have given (right)"
    );
    assert_eq!(
        released,
        Some(second),
        "after the guard was dropped, try_lock() gave (left) and should have given (right)"
    );
    assert_eq!(
        seen,
        [first, second, second ^ other, second ^ other],
        "read through the guard, again after writing through it, by get_mut() and by into_inner(): (left), and should have been (right)"
    );
}

interleave::in_worlds! {
    shuttled = spin_lock_shuttled, loomed = spin_lock_loomed;

    type Lock = Arc<exercise::SpinLock<Tracked<u32>>>;

    fn fresh() -> Lock {
        Arc::new(exercise::SpinLock::new(Tracked::new(0)))
    }

    /// The payload itself, through `Deref`: methods that the guard may have of
    /// its own are not asked.
    fn payload<'a>(guard: &'a exercise::SpinGuard<'_, Tracked<u32>>) -> &'a Tracked<u32> {
        ::core::ops::Deref::deref(guard)
    }

    /// Two threads lock, and each changes the payload.
    pub fn both_lock() {
        let lock = fresh();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || payload(&theirs.lock()).update(|n| n + 1));
        payload(&lock.lock()).update(|n| n + 1);
        thread.join().unwrap();
    }

    /// One thread locks, the other tries.
    pub fn one_locks_and_one_tries() {
        let lock = fresh();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || payload(&theirs.lock()).update(|n| n + 1));
        if let Some(guard) = lock.try_lock() {
            payload(&guard).update(|n| n + 1);
        }
        thread.join().unwrap();
    }

    /// Both try, and go away if they do not get it.
    pub fn both_try() {
        let lock = fresh();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            if let Some(guard) = theirs.try_lock() {
                payload(&guard).update(|n| n + 1);
            }
        });
        if let Some(guard) = lock.try_lock() {
            payload(&guard).update(|n| n + 1);
        }
        thread.join().unwrap();
    }

    /// Each of two threads adds twice; nothing may be missing.
    pub fn both_add_twice() {
        let lock = fresh();
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            payload(&theirs.lock()).update(|n| n + 1);
            payload(&theirs.lock()).update(|n| n + 1);
        });
        payload(&lock.lock()).update(|n| n + 1);
        payload(&lock.lock()).update(|n| n + 1);
        thread.join().unwrap();
        let sum = payload(&lock.lock()).get();
        assert_eq!(sum, 4, "two threads added twice each under the lock, and the sum (left) is not 4 (right)");
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
        let waiter = thread::spawn(move || payload(&theirs.lock()).get());
        payload(&guard).set(7);
        drop(guard);
        let seen = waiter.join().unwrap();
        assert_eq!(seen, 7, "who waited for the lock read (left), not what the holder had written (right)");
    }

    /// The holder waits for the waiter, so nobody will ever let go.
    pub fn waiting_for_ever() {
        let lock = fresh();
        let _guard = lock.lock();
        let theirs = Arc::clone(&lock);
        let waiter = thread::spawn(move || drop(theirs.lock()));
        waiter.join().unwrap();
    }
}

#[proctor::test(subject = |(): ()| {
    [shuttled::both_lock, shuttled::one_locks_and_one_tries, shuttled::both_try].map(interleave::schedules).to_vec()
})]
fn two_threads_never_hold_it_at_once(mut subject: Subject) {
    all_hold(&subject.ask(&()).value);
}

#[proctor::test(subject = |(): ()| vec![interleave::schedules(shuttled::both_add_twice)])]
fn no_update_is_lost(mut subject: Subject) {
    all_hold(&subject.ask(&()).value);
}

#[proctor::test(subject = |(): ()| vec![interleave::schedules(shuttled::trying_while_it_is_held)])]
fn try_lock_gives_up_while_it_is_held(mut subject: Subject) {
    all_hold(&subject.ask(&()).value);
}

#[proctor::test(subject = |(): ()| {
    [shuttled::waiting_for_the_holder, shuttled::waiting_for_ever].map(interleave::schedules).to_vec()
})]
fn a_held_lock_is_waited_for_by_trying_again(mut subject: Subject) {
    let found = subject.ask(&()).value;
    let [waiting, forever] = &found[..] else {
        panic!("two scenarios and {} explorations", found.len());
    };
    waiting.must_hold();
    if waiting.replayed.is_some() {
        return; // the verdicts on the other scenario come without a schedule
    }
    // Here the one right thing to find is a spin that never ends.
    match forever.failure.as_ref().map(|failure| failure.kind) {
        Some(FailureKind::Spin) => {}
        Some(FailureKind::Deadlock) => proctor::fail(
            Outcome::Fail,
            "a thread that waits in lock() goes to sleep: the lock is made of another lock, and it should be made of an atomic",
        ),
        None if forever.not_judged.is_none() => proctor::fail(
            Outcome::Fail,
            "lock() returned although the lock was held: it gave up waiting",
        ),
        _ => forever.must_hold(),
    }
}

#[proctor::test(subject = |(): ()| {
    [loomed::both_lock, loomed::one_locks_and_one_tries, loomed::both_try].map(interleave::orderings).to_vec()
})]
fn what_a_holder_wrote_the_next_one_sees(mut subject: Subject) {
    all_hold(&subject.ask(&()).value);
}

fn all_hold(found: &[Exploration]) {
    // A schedule that is replayed belongs to those scenarios that could follow it.
    let followed = |found: &&Exploration| found.replayed.is_some() && found.not_judged.is_none();
    let is_replay = found.iter().any(|found| followed(&found));
    for found in found.iter().filter(|found| !is_replay || followed(found)) {
        found.must_hold();
    }
}

#[proctor::test(subject = |(before, after): (u64, u64)| {
    let lock = SpinLock::new(before);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut guard = lock.lock();
        *guard = after;
        panic!("while it holds the lock");
    }));
    (panicked.is_err(), lock.try_lock().map(|guard| *guard))
})]
fn a_panic_while_it_is_held_releases_it(mut subject: Subject) {
    let [before, after] = std::array::from_fn(|_| proctor::random::<u64>());
    let (panicked, found) = subject.ask(&(before, after)).value;
    assert!(panicked, "the holder's panic did not come out");
    assert!(
        found.is_some(),
        "the holder panicked and the lock is still held: whoever locks it next waits for ever"
    );
    assert_eq!(
        found,
        Some(after),
        "after the holder's panic the value is (left) and should be as it left it (right)"
    );
}

/// On which CPUs the calling thread may run, as /proc says it.
fn cpus() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let mut lines = status.lines();
    let line = lines.find(|line| line.starts_with("Cpus_allowed_list:"));
    line.unwrap_or_default().to_owned()
}

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
    /// Whether lock() changed where the calling thread may run.
    moved: bool,
}

#[proctor::test(deadline = 30.0, subject = |(before, after): (u64, u64)| -> Held {
    let lock = SpinLock::new(before);
    let entered = AtomicBool::new(false);
    let (send, receive) = mpsc::channel();
    let allowed = cpus();
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
        Held { tried, entered: early, found, moved: cpus() != allowed }
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
    assert!(
        !held.moved,
        "lock() changed on which CPUs the calling thread may run: threads on one CPU meet less often, which hides a race and removes none"
    );
    assert_eq!(
        held.found, after,
        "a thread that had waited for the lock found (left), not what the holder wrote (right)"
    );
}

/// Two words that are equal whenever nobody is inside.
type Pair = (u64, u64);

#[proctor::test(deadline = 60.0, subject = |(threads, rounds): (usize, u64)| -> (Pair, u64, u64) {
    let lock = SpinLock::new((0, 0));
    let (torn, moved) = (AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let allowed = cpus();
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
                moved.fetch_add(u64::from(cpus() != allowed), Ordering::Relaxed);
            });
        }
    });
    (lock.into_inner(), torn.into_inner(), moved.into_inner())
})]
fn real_threads_do_not_tear_what_it_protects(mut subject: Subject) {
    // Few rounds: a fair lock may need a turn of the scheduler for each of them.
    let (threads, rounds) = (3, proctor::rng().u64(40..60));
    let (pair, torn, moved) = subject.ask(&(threads, rounds)).value;
    assert!(
        moved == 0,
        "lock() changed on which CPUs {moved} threads may run: threads on one CPU meet less often, which hides a race and removes none"
    );
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

/// What the compiler says of the types.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Marks {
    lock_is_send: bool,
    lock_around_a_cell_is_sync: bool,
    lock_around_an_rc_is_sync: bool,
    lock_around_an_rc_is_send: bool,
    lock_around_a_mutex_guard_is_sync: bool,
    guard_of_a_cell_is_sync: bool,
    guard_of_an_rc_is_send: bool,
}

#[proctor::test(subject = |value: u64| -> (u64, Marks) {
    let marks = Marks {
        lock_is_send: proctor::implements!(SpinLock<u64>: Send),
        lock_around_a_cell_is_sync: proctor::implements!(SpinLock<Cell<u64>>: Sync),
        lock_around_an_rc_is_sync: proctor::implements!(SpinLock<Rc<u64>>: Sync),
        lock_around_an_rc_is_send: proctor::implements!(SpinLock<Rc<u64>>: Send),
        lock_around_a_mutex_guard_is_sync: proctor::implements!(SpinLock<MutexGuard<'static, u64>>: Sync),
        guard_of_a_cell_is_sync: proctor::implements!(SpinGuard<'static, Cell<u64>>: Sync),
        guard_of_an_rc_is_send: proctor::implements!(SpinGuard<'static, Rc<u64>>: Send),
    };
    (SpinLock::new(value).into_inner(), marks)
})]
fn it_is_shared_exactly_where_that_is_sound(mut subject: Subject) {
    let value = proctor::random::<u64>();
    let (kept, marks) = subject.ask(&value).value;
    assert_eq!(kept, value);
    assert!(marks.lock_is_send, "a SpinLock<u64> should be Send");
    assert!(
        marks.lock_around_a_cell_is_sync,
        "a SpinLock<Cell<u64>> should be Sync: the lock lets one thread at a time at the Cell, which may be sent"
    );
    assert!(
        !marks.lock_around_an_rc_is_sync,
        "SpinLock<Rc<u64>> is Sync: two threads could clone the same Rc, one after the other, and count in parallel when they drop their clones"
    );
    assert!(
        !marks.lock_around_an_rc_is_send,
        "SpinLock<Rc<u64>> is Send: an Rc would leave its thread"
    );
    assert!(
        !marks.lock_around_a_mutex_guard_is_sync,
        "SpinLock<MutexGuard<u64>> is Sync: a value that must stay on its thread (not Send) could be swapped out on another"
    );
    assert!(
        !marks.guard_of_a_cell_is_sync,
        "SpinGuard<Cell<u64>> is Sync: two threads that share one guard would be in the Cell at once"
    );
    assert!(
        !marks.guard_of_an_rc_is_send,
        "SpinGuard<Rc<u64>> is Send: an Rc would leave its thread"
    );
}
