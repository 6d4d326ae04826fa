//! Judges `map` by gates: the closures that it calls wait for one another, so
//! that what must happen at the same time has to, or nothing goes on.
//!
//! Inputs are made here, in the judge; the code answers in a process of its own.

proctor::exercise!(scoped_map);

use std::any::Any;
use std::collections::HashSet;
use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Condvar, Mutex};
use std::thread;

use proctor::{Answer, Failing, Outcome, Subject, fail};

/// However many CPUs there are.
const MOST_WORKERS: usize = 65;

/// An item that can be neither copied nor cloned, and knows nothing but itself.
struct Item<'a> {
    number: &'a u64,
    calls: AtomicUsize,
}

/// A result without a default value, that cannot be cloned either.
struct Doubled(u64);

/// The results, and how often `f` was called for each item.
type Mapped = (Vec<u64>, Vec<usize>);

#[proctor::test(subject = |(workers, numbers): (usize, Vec<u64>)| -> Mapped {
    let items: Vec<Item> = numbers
        .iter()
        .map(|number| Item { number, calls: AtomicUsize::new(0) })
        .collect();
    let results = scoped_map::map(count(workers), &items, |item| {
        item.calls.fetch_add(1, Ordering::Relaxed);
        Doubled(item.number.wrapping_mul(2))
    });
    (
        results.into_iter().map(|doubled| doubled.0).collect(),
        items.iter().map(|item| item.calls.load(Ordering::Relaxed)).collect(),
    )
})]
fn results_come_back_in_the_order_of_the_items(mut subject: Subject) {
    // Numbers that divide evenly among the workers, and numbers that do not.
    for (workers, length) in [
        (1, 5),
        (2, 2),
        (3, 7),
        (4, 5),
        (4, 6),
        (4, 64),
        (7, 37),
        (5, 101),
    ] {
        let numbers = some_numbers(length);
        let (results, calls) = subject.ask(&(workers, numbers.clone())).value;
        let expected: Vec<u64> = numbers.iter().map(|n| n.wrapping_mul(2)).collect();

        assert!(
            results.len() == length,
            "map({workers}, {length} items) returned {} results: each item must give exactly one",
            results.len()
        );
        if let Some(index) = calls.iter().position(|calls| *calls != 1) {
            panic!(
                "map({workers}, {length} items) called f {} times for item {index}: \
                 it must be called once for each",
                calls[index]
            );
        }
        if let Some(index) = (0..length).find(|index| results[*index] != expected[*index]) {
            let belongs = expected.iter().position(|wanted| *wanted == results[index]);
            panic!(
                "map({workers}, {length} items): the result at index {index} belongs to {}: \
                 results must stand in the order of the items",
                belongs.map_or("no item".to_owned(), |other| format!("item {other}"))
            );
        }
    }
}

// Each thread may reserve 64 MiB of addresses for an arena of its own (malloc),
// and its stack.
#[proctor::test(processes = 2048, memory = 16384, subject = |(workers, rounds): (usize, usize)| -> usize {
    // Each call waits until `workers` calls have arrived, round after round.
    let gate = Barrier::new(workers);
    let items = vec![(); workers * rounds];
    scoped_map::map(count(workers), &items, |()| gate.wait().is_leader())
        .into_iter()
        .filter(|leader| *leader)
        .count()
})]
fn as_many_calls_as_workers_are_in_progress_at_once(mut subject: Subject) {
    // More than there are CPUs: a worker may as well be waiting.
    let cpus = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let more_than_cpus = (2 * cpus + 1).min(MOST_WORKERS);
    for (workers, rounds) in [(2, 1), (4, 1), (4, 5), (more_than_cpus, 3)] {
        let asked = (workers, rounds);
        let answer = ask_at_the_gate(&mut subject, &asked, || {
            let cpus = if workers > cpus {
                "\nThere are more workers than CPUs here, which must not matter."
            } else {
                ""
            };
            format!(
                "fewer than {workers} calls of f are in progress at once: map({workers}, {} items) \
                 with calls that wait until {workers} of them have begun goes no further{cpus}",
                workers * rounds
            )
        });
        assert!(
            answer.value == rounds,
            "the gate opened {} times in {rounds} rounds",
            answer.value
        );
        // What the kernel counted: so many calls at once take so many threads,
        // of which the calling thread may be one.
        if let Some(started) = answer.evidence.threads_started {
            assert!(
                started as usize + 1 >= workers,
                "map({workers}, {} items) started {started} threads: that is too few for {workers} calls at once",
                workers * rounds
            );
        }
    }
}

#[proctor::test(subject = |length: usize| -> (Vec<usize>, Vec<usize>) {
    // Item n waits until item n + 1 has finished: the last is done first.
    let finished = Mutex::new(Vec::new());
    let changed = Condvar::new();
    let items: Vec<usize> = (0..length).collect();
    let results = scoped_map::map(count(length), &items, |item| {
        let turn = length - 1 - item;
        let guard = finished.lock().expect("no call panics");
        let mut finished = changed
            .wait_while(guard, |finished| finished.len() != turn)
            .expect("no call panics");
        finished.push(*item);
        changed.notify_all();
        *item
    });
    (results, finished.into_inner().expect("no call panics"))
})]
fn the_order_does_not_depend_on_who_finishes_first(mut subject: Subject) {
    for length in [2, 3, 8] {
        let answer = ask_at_the_gate(&mut subject, &length, || {
            format!(
                "an item waits for one that has not begun: map({length}, {length} items) must \
                 have all {length} in progress at once"
            )
        });
        let (results, finished) = answer.value;
        let expected: Vec<usize> = (0..length).collect();
        assert!(
            results == expected,
            "the calls finished in the order {finished:?} and the results stand in the order \
             {results:?}; they must stand in the order of the items"
        );
    }
}

/// What was seen of the threads: how many called `f`, whether the caller was
/// among them, and the most calls in progress at one moment.
type Threads = (usize, bool, usize);

#[proctor::test(subject = |(workers, length): (usize, usize)| -> Threads {
    let threads = Mutex::new(HashSet::new());
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let items = vec![(); length];
    scoped_map::map(count(workers), &items, |()| {
        let now = 1 + inside.fetch_add(1, Ordering::SeqCst);
        most.fetch_max(now, Ordering::SeqCst);
        threads.lock().expect("no call panics").insert(thread::current().id());
        // Whoever else wants to work gets the chance to.
        thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
    });
    let threads = threads.into_inner().expect("no call panics");
    (threads.len(), threads.contains(&thread::current().id()), most.into_inner())
})]
fn no_more_threads_than_workers_or_items(mut subject: Subject) {
    for (workers, length) in [(1, 6), (3, 60), (4, 42), (6, 5), (40, 3)] {
        let answer = subject.ask(&(workers, length));
        let (used, caller_works, most) = answer.value;
        let called = format!("map({workers}, {length} items)");
        assert!(
            used <= workers,
            "{called} called f on {used} threads: at most {workers} may work, \
             and each of them on many items"
        );
        assert!(
            most <= workers,
            "{called} had {most} calls in progress at once"
        );
        // What the kernel counted; `None` where the machine forbids to look.
        if let Some(started) = answer.evidence.threads_started {
            let started = started as usize;
            assert!(
                started <= workers.min(length),
                "{called} started {started} threads: at most {} have anything to do",
                workers.min(length)
            );
            assert!(
                !caller_works || started < workers,
                "{called} started {started} threads and worked on the calling thread too: \
                 that is one worker too many"
            );
        }
    }
}

#[proctor::test(subject = |workers: usize| -> (usize, usize) {
    let calls = AtomicUsize::new(0);
    let items: [u64; 0] = [];
    let results = scoped_map::map(count(workers), &items, |item| {
        calls.fetch_add(1, Ordering::Relaxed);
        *item
    });
    (results.len(), calls.into_inner())
})]
fn no_items_give_no_results(mut subject: Subject) {
    for workers in [1, 4] {
        let answer = subject.ask(&workers);
        assert!(
            answer.value == (0, 0),
            "map({workers}, no items) gave {} results and called f {} times",
            answer.value.0,
            answer.value.1
        );
    }
}

/// How `map` ended whose `f` panicked.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Ended {
    /// It returned this many results.
    Returned(usize),
    /// It panicked with the payload that `f` panicked with.
    SamePayload(u64),
    /// It panicked with another payload; its text.
    OtherPayload(String),
}

/// What `f` panics with: no text, so that a message cannot pass for it.
struct Payload(u64);

#[proctor::test(subject = |(workers, length, bad, secret): (usize, usize, usize, u64)| -> (Ended, usize) {
    let inside = AtomicUsize::new(0);
    let items: Vec<usize> = (0..length).collect();
    // Without a panic first: code that panics by itself must not be caught below.
    scoped_map::map(count(workers), &items, |item| *item);
    let result = catch_unwind(AssertUnwindSafe(|| {
        scoped_map::map(count(workers), &items, |item| {
            let _inside = Inside::enter(&inside);
            if *item == bad {
                panic_any(Payload(secret));
            }
        })
    }));
    let ended = match result {
        Ok(results) => Ended::Returned(results.len()),
        Err(payload) => match payload.downcast::<Payload>() {
            Ok(payload) => Ended::SamePayload(payload.0),
            Err(other) => Ended::OtherPayload(text_of(&*other)),
        },
    };
    (ended, inside.load(Ordering::SeqCst))
})]
fn a_panic_reaches_the_caller_with_its_payload(mut subject: Subject) {
    for (workers, length, bad) in [
        (1, 1, 0),
        (1, 4, 1),
        (2, 2, 1),
        (4, 4, 0),
        (4, 20, 19),
        (4, 20, 7),
        (8, 3, 2),
    ] {
        let secret = proctor::random::<u64>();
        let called = format!("map({workers}, {length} items) whose f panics for item {bad}");
        let answer = match subject.try_ask(&(workers, length, bad, secret)) {
            Ok(answer) => answer,
            Err(failing) => explained(failing, || format!("{called} never returns")).end(),
        };
        let (ended, inside) = answer.value;
        match ended {
            Ended::SamePayload(payload) => {
                assert!(
                    payload == secret,
                    "{called}: the payload has changed on its way"
                )
            }
            Ended::Returned(results) => fail(
                Outcome::Fail,
                format!(
                    "{called} returned {results} results as if nothing had happened: the panic must reach the caller"
                ),
            ),
            Ended::OtherPayload(text) => fail(
                Outcome::Fail,
                format!("{called} panicked, but with a payload that is not f's: {text:?}"),
            ),
        }
        assert!(
            inside == 0,
            "{called} came back while {inside} calls of f were in progress"
        );
    }
}

/// A call of `f`, counted from its beginning to its end, a panic included.
struct Inside<'a>(&'a AtomicUsize);

impl<'a> Inside<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Inside(count)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn count(workers: usize) -> NonZeroUsize {
    NonZeroUsize::new(workers).expect("the tests ask for at least one worker")
}

/// Different from one another, so that a result tells which item it is of.
fn some_numbers(length: usize) -> Vec<u64> {
    let start = proctor::random::<u64>();
    (0..length as u64)
        .map(|n| start.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect()
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no text".to_owned())
}

/// Asks code that stands still at a gate if it is wrong, and then says why.
fn ask_at_the_gate<Q, A>(
    subject: &mut Subject<Q, A>,
    asked: &Q,
    why: impl FnOnce() -> String,
) -> Answer<A>
where
    Q: serde::Serialize + serde::de::DeserializeOwned + Debug,
    A: serde::Serialize + serde::de::DeserializeOwned + Debug,
{
    match subject.try_ask(asked) {
        Ok(answer) => answer,
        Err(failing) => explained(failing, why).end(),
    }
}

/// Puts what a hang means here before what the threads were seen to wait for.
fn explained(mut failing: Failing, why: impl FnOnce() -> String) -> Failing {
    if matches!(failing.outcome, Outcome::Deadlock | Outcome::Timeout) {
        failing.cause = format!("{}\n{}", why(), failing.cause);
    }
    failing
}
