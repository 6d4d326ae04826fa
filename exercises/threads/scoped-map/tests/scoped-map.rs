//! Judges `map` by gates: the closures that it calls wait for one another, so
//! that what must happen at the same time has to, or nothing goes on.
//!
//! The judge makes the inputs. The code answers in a process of its own, where
//! drop probes log what becomes of results, closures and payloads, and the
//! kernel counts the threads.

proctor::exercise!(scoped_map);

use std::any::Any;
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Debug;
use std::io;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::{Barrier, Condvar, Mutex, MutexGuard};
use std::thread::{self, ThreadId};

use proctor::{
    Answer, EmptyProbe, Failing, Failure, Fault, Gate, Life, Onlooker, Outcome, Probe, Probes,
    Subject, Surroundings, count as counted, fail, threads_left,
};

/// That not so many calls are in progress as are due.
fn too_few(due: usize) -> String {
    match due {
        1 => "no call of f is in progress".to_owned(),
        due => format!("fewer than {due} calls of f are in progress at once"),
    }
}

// ---- C1, C2, C3: results, calls, numbers ----

/// An item that can be neither copied nor cloned, and counts its own calls: a
/// call with a copy of it counts elsewhere.
struct Item<'a> {
    number: &'a u64,
    calls: AtomicUsize,
}

/// A result without a default value, that cannot be cloned either.
struct Doubled(u64);

/// Results, and how often `f` was called for each item.
type Mapped = (Vec<u64>, Vec<usize>);

fn doubled(workers: usize, numbers: &[u64]) -> Mapped {
    let items: Vec<Item> = numbers
        .iter()
        .map(|number| Item {
            number,
            calls: AtomicUsize::new(0),
        })
        .collect();
    let results = scoped_map::map(count(workers), &items, |item| {
        item.calls.fetch_add(1, SeqCst);
        Doubled(item.number.wrapping_mul(2))
    });
    (
        results.into_iter().map(|doubled| doubled.0).collect(),
        items.iter().map(|item| item.calls.load(SeqCst)).collect(),
    )
}

#[proctor::test(clauses = [1, 2], subject = |cases: Vec<(usize, Vec<u64>)>| -> Vec<Mapped> {
    cases.iter().map(|(workers, numbers)| doubled(*workers, numbers)).collect()
})]
fn results_come_back_in_the_order_of_the_items(mut subject: Subject) {
    let mut rng = proctor::rng();
    // Numbers that divide evenly among the workers, and numbers that do not.
    let mut sizes: Vec<(usize, usize)> = (1..=4)
        .flat_map(|workers| (1..=9).map(move |length| (workers, length)))
        .collect();
    sizes.extend([(4, 64), (7, 37), (5, 101), (17, 18), (12, 300)]);
    sizes.extend((0..5).map(|_| (rng.usize(1..9), rng.usize(1..400))));
    let cases: Vec<_> = sizes
        .into_iter()
        .map(|(workers, length)| (workers, some_numbers(length)))
        .collect();
    let answers = subject.ask(&cases).value;
    for ((workers, numbers), (results, calls)) in cases.iter().zip(answers) {
        let called = format!("map(workers: {workers}, items: {})", numbers.len());
        assert_in_order(&called, numbers, &results);
        assert_called_once(&called, &calls);
    }
}

fn assert_in_order(called: &str, numbers: &[u64], results: &[u64]) {
    let expected: Vec<u64> = numbers.iter().map(|n| n.wrapping_mul(2)).collect();
    assert!(
        results.len() == expected.len(),
        "{called} returned {} results: each item must give exactly one",
        results.len()
    );
    let wrong = (0..results.len()).find(|index| results[*index] != expected[*index]);
    if let Some(index) = wrong {
        let belongs = expected.iter().position(|wanted| *wanted == results[index]);
        panic!(
            "{called}: the result at index {index} belongs to {}: results must stand in the \
             order of the items",
            belongs.map_or("no item".to_owned(), |other| format!("item {other}"))
        );
    }
}

fn assert_called_once(called: &str, calls: &[usize]) {
    if let Some(index) = calls.iter().position(|calls| *calls != 1) {
        panic!(
            "{called} called f {} times with item {index} itself: it must be called once for \
             each item, and not with a copy",
            calls[index]
        );
    }
}

#[proctor::test(clauses = [1, 4], subject = |length: usize| -> (Vec<usize>, Vec<usize>) {
    // Item n waits until item n + 1 has finished: the last is done first.
    let finished = Mutex::new(Vec::new());
    let changed = Condvar::new();
    let items: Vec<usize> = (0..length).collect();
    let results = scoped_map::map(count(length), &items, |item| {
        let turn = length - 1 - item;
        let guard = lock(&finished);
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
                "an item waits for one that has not begun: map(workers: {length}, items: {length}) must \
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

#[proctor::test(clauses = [2, 6], subject = |(workers, length): (usize, usize)| -> Vec<usize> {
    // Every worker is interrupted again and again, between any two instructions.
    let calls: Vec<AtomicUsize> = (0..length).map(|_| AtomicUsize::new(0)).collect();
    let numbers: Vec<usize> = (0..length).collect();
    scoped_map::map(count(workers), &numbers, |number| {
        proctor::jostle();
        calls[*number].fetch_add(1, SeqCst);
    });
    threads_left();
    calls.iter().map(|calls| calls.load(SeqCst)).collect()
})]
fn no_item_is_taken_twice(mut subject: Subject) {
    for (workers, length) in [(2, 20_000), (4, 30_000)] {
        let calls = subject.ask(&(workers, length)).value;
        assert_called_once(&format!("map(workers: {workers}, items: {length})"), &calls);
    }
}

#[proctor::test(clauses = [2, 6, 10], subject = |(workers, length, bad): (usize, usize, usize)| -> (Vec<usize>, usize) {
    a_plain_call();
    let calls: Vec<AtomicUsize> = (0..length).map(|_| AtomicUsize::new(0)).collect();
    let threads = Mutex::new(HashSet::new());
    let numbers: Vec<usize> = (0..length).collect();
    let _ = catch_unwind(AssertUnwindSafe(|| {
        scoped_map::map(count(workers), &numbers, |number| {
            lock(&threads).insert(thread::current().id());
            calls[*number].fetch_add(1, SeqCst);
            assert!(number % bad != bad - 1, "this call panics");
        })
    }));
    threads_left();
    (calls.iter().map(|calls| calls.load(SeqCst)).collect(), lock(&threads).len())
})]
fn a_call_that_panicked_is_not_made_again(mut subject: Subject) {
    for (workers, length, bad) in [
        (1, 1, 1),
        (1, 5, 3),
        (1, 9, 1),
        (2, 8, 8),
        (3, 12, 4),
        (3, 30, 1),
        (4, 4, 1),
    ] {
        let (calls, threads) = subject.ask(&(workers, length, bad)).value;
        assert!(
            threads <= workers.min(length),
            "map(workers: {workers}, items: {length}) whose f panics called f on {}",
            counted(threads, "thread")
        );
        if let Some(index) = calls.iter().position(|calls| *calls > 1) {
            panic!(
                "map(workers: {workers}, items: {length}) whose f panics called f {} times for item {index}: \
                 no call may be made again",
                calls[index]
            );
        }
        // The first item of all that panic has been reached by somebody.
        assert!(
            (0..length).any(|index| index % bad == bad - 1 && calls[index] == 1),
            "map(workers: {workers}, items: {length}) called f for none of the items for which it panics"
        );
    }
}

#[proctor::test(clauses = [1, 3, 6], subject = |(workers, length): (usize, usize)| -> (Vec<u64>, usize, usize) {
    let numbers: Vec<u64> = (0..length as u64).collect();
    let results = scoped_map::map(count(workers), &numbers, |number| number + 1);
    // Items of size 0, results of size 0, and results that own memory.
    let empty: Vec<()> = vec![(); length];
    let calls = AtomicUsize::new(0);
    let units = scoped_map::map(count(workers), &empty, |()| _ = calls.fetch_add(1, SeqCst));
    let texts = scoped_map::map(count(workers), &numbers[..length.min(500)], u64::to_string);
    let right = texts.iter().zip(0_u64..).filter(|(text, n)| **text == n.to_string());
    (results, units.len().min(calls.into_inner()), right.count())
})]
fn any_number_of_items_and_workers_will_do(mut subject: Subject) {
    let many = usize::MAX;
    let mut cases = vec![
        (1, 0),
        (4, 0),
        (many, 0),
        (many, 1),
        (many, 5),
        (many - 1, 12),
        (many / 2 + 1, 3),
        (1 << 32, 7),
        (65_536, 3),
        (257, 9),
        (1, 256),
        (1, 65_537),
        (2, 65_536),
        (3, 66_049),
        (4, 100_001),
    ];
    let mut rng = proctor::rng();
    cases.extend([
        (rng.usize(many / 2..), rng.usize(1..20)),
        (rng.usize(1..9), rng.usize(65_538..90_000)),
    ]);
    for (workers, length) in cases {
        let called = format!("map(workers: {workers}, items: {length})");
        let asked = subject.try_ask(&(workers, length));
        let answer = asked.unwrap_or_else(|mut failing| {
            failing.cause = format!("{called} does not return: {}", failing.cause);
            failing.end()
        });
        let (results, units, texts) = answer.value;
        assert!(
            results.len() == length,
            "{called} returned {} results: every number of items must do",
            results.len()
        );
        let wrong = results
            .iter()
            .zip(1..)
            .position(|(result, due)| *result != due);
        assert!(
            wrong.is_none(),
            "{called}: the result at index {} is not that item's",
            wrong.unwrap_or(0)
        );
        assert!(
            units == length,
            "{called}, items and results of size 0: {units} results or calls"
        );
        assert!(
            texts == length.min(500),
            "{called}: only {texts} results that own memory are right"
        );
    }
}

thread_local! {
    /// The number of the map in which this thread has called `f`.
    static CALLED_IN: Cell<usize> = const { Cell::new(0) };
}

#[proctor::test(clauses = [1, 2, 3, 6, 7, 9], slow = true, deadline = 60.0, memory = 16384, subject = |(workers, length): (usize, usize)| -> Many {
    static MAPS: AtomicUsize = AtomicUsize::new(0);
    let this = MAPS.fetch_add(1, SeqCst) + 1;
    let threads = AtomicUsize::new(0);
    let calls: Vec<AtomicUsize> = (0..length).map(|_| AtomicUsize::new(0)).collect();
    let items: Vec<u32> = (0..length as u32).collect();
    let results = scoped_map::map(count(workers), &items, |item| {
        calls[*item as usize].fetch_add(1, Relaxed);
        if CALLED_IN.replace(this) != this {
            threads.fetch_add(1, SeqCst);
        }
        !*item
    });
    Many {
        wrong: results.iter().zip(&items).position(|(result, item)| *result != !*item),
        results: results.len(),
        called: calls.iter().position(|calls| calls.load(Relaxed) != 1),
        threads: threads.into_inner(),
    }
})]
fn a_million_items_are_nothing_special(mut subject: Subject) {
    // Once beforehand: std makes some things when they are first needed.
    subject.ask(&(2, 4));
    // More than 2^16 and 2^20 of them, and more than 2^16 for each worker.
    let (workers, length) = (3, 3 * proctor::rng().usize(380_000..400_000));
    let called = format!("map(workers: {workers}, items: {length})");
    let answer = subject.ask(&(workers, length));
    let seen = answer.value;
    assert!(
        seen.results == length && seen.wrong.is_none(),
        "{called} returned {} results, and the first wrong one is at index {:?}",
        seen.results,
        seen.wrong
    );
    assert!(
        seen.called.is_none(),
        "{called} did not call f once for the item at index {}",
        seen.called.unwrap_or(0)
    );
    let started = answer.evidence.threads_started;
    assert!(
        seen.threads <= workers && started.is_none_or(|started| started as usize <= workers),
        "{called} called f on {} and started {}: it may use at most {}",
        counted(seen.threads, "thread"),
        counted(started.unwrap_or(0) as usize, "thread"),
        counted(workers, "thread")
    );
    assert!(
        answer.evidence.heap.left < 4096,
        "{called} left {} bytes of memory behind",
        answer.evidence.heap.left
    );
}

/// What became of many items.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Many {
    results: usize,
    /// The first wrong result.
    wrong: Option<usize>,
    /// The first item for which `f` was not called once.
    called: Option<usize>,
    /// Threads that called `f`.
    threads: usize,
}

// ---- C4 to C7: workers ----

// Each thread may reserve 64 MiB of addresses for an arena of its own (malloc),
// and its stack.
#[proctor::test(clauses = [3, 4, 6], processes = 2048, memory = 131072, subject = |(workers, length, width): (usize, usize, usize)| -> usize {
    calls_that_meet(workers, length, width)
})]
fn as_many_calls_as_workers_are_in_progress_at_once(mut subject: Subject) {
    let cpus = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    for (workers, length) in [
        (1, 1),
        (2, 1),
        (2, 2),
        (4, 4),
        (4, 20),
        (9, 3),
        (usize::MAX, 6),
        // Numbers that do not divide evenly.
        (4, 5),
        (4, 7),
        (6, 21),
        (17, 18),
        (2, 999),
        // More items than anybody would map in a plain loop.
        (3, 3000),
        (4, 200_000),
        (2 * cpus + 1, 6 * cpus + 3),
    ] {
        assert_they_meet(&mut subject, workers, length);
    }
}

#[proctor::test(clauses = [4, 6], slow = true, deadline = 30.0, processes = 2048, memory = 131072, subject = |(workers, length, width): (usize, usize, usize)| -> usize {
    calls_that_meet(workers, length, width)
}, room = |threads: usize| {
    // No call of `map`: whatever it does, it must not look like a machine that
    // allows too few threads.
    let all_are_there = Barrier::new(threads);
    thread::scope(|scope| {
        let mut started = 0;
        while started < threads {
            let thread = thread::Builder::new().spawn_scoped(scope, || _ = all_are_there.wait());
            if thread.is_err() {
                // Nobody else comes for those that wait.
                std::process::exit(7);
            }
            started += 1;
        }
    });
})]
fn hundreds_of_calls_are_in_progress_at_once(mut subject: Subject, mut room: Subject) {
    let cpus = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    // More than anybody would allow, however many CPUs there are.
    let many = (8 * cpus + 1).clamp(1030, 1500);
    match room.try_ask(&many) {
        Err(failing) if failing.cause.contains("(status 7)") => {
            let why = format!("this machine does not allow {many} threads at a time");
            fail(Outcome::NotJudged, why);
        }
        asked => _ = asked.unwrap_or_else(|failing| failing.end()),
    }
    for (workers, length) in [(65, 130), (many, many)] {
        assert_they_meet(&mut subject, workers, length);
    }
}

/// Calls wait until `width` of them are in progress at the same time.
fn calls_that_meet(workers: usize, length: usize, width: usize) -> usize {
    let gate = Gate::new(width);
    let items: Vec<u8> = vec![0; length];
    scoped_map::map(count(workers), &items, |_| _ = gate.meet());
    gate.inside()
}

fn assert_they_meet(
    subject: &mut Subject<(usize, usize, usize), usize>,
    workers: usize,
    length: usize,
) {
    let cpus = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let most = workers.min(length);
    let due = if length.is_multiple_of(most) {
        most
    } else {
        most / 2 + 1
    };
    ask_at_the_gate(subject, &(workers, length, due), || {
        let more = if workers.min(length) > cpus {
            "\nThere are more workers than CPUs here, which must not matter."
        } else {
            ""
        };
        format!(
            "{}: map(workers: {workers}, items: {length}) with calls that wait until {due} of \
                 them have begun goes no further{more}",
            too_few(due)
        )
    });
}

#[proctor::test(clauses = [4, 5, 6], subject = |(workers, rounds, rank): (usize, usize, usize)| -> usize {
    // All workers begin. Then one of them is free, and the calls of all others
    // wait until it has made its share of calls.
    let gate = Gate::new(workers);
    let firsts = Mutex::new(BTreeMap::new());
    let (made, enough) = (Mutex::new(0), Condvar::new());
    let items: Vec<usize> = (0..workers * rounds).collect();
    scoped_map::map(count(workers), &items, |item| {
        let me = thread::current().id();
        if !lock(&firsts).values().any(|thread| *thread == me) {
            lock(&firsts).insert(*item, me);
        }
        gate.meet();
        let free = lock(&firsts).values().nth(rank).copied();
        let mut made = lock(&made);
        if free == Some(me) {
            *made += 1;
            enough.notify_all();
        } else {
            drop(enough.wait_while(made, |made| *made < rounds));
        }
    });
    *lock(&made)
})]
fn a_worker_does_not_wait_for_the_calls_of_others(mut subject: Subject) {
    for (workers, rounds) in [(2, 2), (2, 9), (3, 3), (4, 5), (2, 3000)] {
        for rank in 0..workers {
            ask_at_the_gate(&mut subject, &(workers, rounds, rank), || {
                format!(
                    "map(workers: {workers}, items: {}): a worker waits for the calls of other workers, \
                     before it has made its share of {rounds} calls",
                    workers * rounds
                )
            });
        }
    }
}

/// How many threads called `f`, and how many calls were inside at once.
type Threads = (usize, usize);

fn threads_that_call(workers: usize, length: usize, width: usize) -> Threads {
    let threads = Mutex::new(HashSet::new());
    let gate = Gate::new(width);
    let items = vec![(); length];
    scoped_map::map(count(workers), &items, |()| {
        lock(&threads).insert(thread::current().id());
        gate.meet();
    });
    let threads: HashSet<ThreadId> = threads.into_inner().expect("no call panics");
    (threads.len(), gate.inside())
}

/// Numbers of workers and of items, with those that divide evenly and those
/// that do not.
const CROWDS: [(usize, usize); 12] = [
    (1, 1),
    (1, 6),
    (2, 3),
    (3, 4),
    (3, 60),
    (4, 42),
    (4, 7),
    (5, 9),
    (6, 5),
    (40, 3),
    (9, 10),
    (8, 1000),
];

#[proctor::test(clauses = [4, 6], subject = |(workers, length, width): (usize, usize, usize)| -> Threads {
    threads_that_call(workers, length, width)
})]
fn no_more_threads_than_workers_call_f(mut subject: Subject) {
    for (workers, length) in CROWDS {
        let most = workers.min(length);
        let called = format!("map(workers: {workers}, items: {length})");
        let width = if length.is_multiple_of(most) {
            most
        } else {
            most / 2 + 1
        };
        let answer = ask_at_the_gate(&mut subject, &(workers, length, width), || {
            format!("{called}: {}", too_few(width))
        });
        let (used, inside) = answer.value;
        assert!(
            used <= most,
            "{called} called f on {used} threads: at most {most} may work, and each of them on \
             as many items as needed"
        );
        assert!(
            inside <= most,
            "{called} had {inside} calls in progress at once, and {most} are allowed"
        );
    }
}

#[proctor::test(clauses = [3, 6, 7], subject = |(workers, length): (usize, usize)| -> usize {
    let items: Vec<usize> = (0..length).collect();
    scoped_map::map(count(workers), &items, |item| *item).len()
})]
fn no_more_threads_than_workers_or_items_are_started(mut subject: Subject) {
    for (workers, length) in CROWDS.into_iter().chain([(4, 0), (usize::MAX, 0)]) {
        let answer = subject.ask(&(workers, length));
        let most = workers.min(length);
        // What the kernel counted; `None` where the machine forbids to look.
        if let Some(started) = answer.evidence.threads_started {
            assert!(
                started as usize <= most,
                "map(workers: {workers}, items: {length}) started {}: at most {most} have anything \
                 to do",
                counted(started as usize, "thread")
            );
        }
    }
}

// ---- C8, C9: the end ----

/// How a call of `map` ended, and what was left when it had.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct AtTheEnd {
    ended: Ended,
    /// Calls of `f` in progress.
    inside: usize,
    /// Threads that stay.
    threads: usize,
    /// How often `f` was dropped by the calling thread, and by others.
    dropped: (usize, usize),
}

#[proctor::test(clauses = [8, 10], subject = |(workers, length, bad): (usize, usize, Option<usize>)| -> AtTheEnd {
    at_the_end(workers, length, bad, 1)
})]
fn every_thread_has_ended_at_the_end(mut subject: Subject) {
    for (workers, length, bad) in [
        (1, 4, None),
        (3, 9, None),
        (6, 2, None),
        (4, 30, Some(7)),
        (3, 3, Some(0)),
        (2, 9, Some(8)),
    ] {
        let called = called_with_panic(workers, length, bad);
        let answer = subject.ask(&(workers, length, bad));
        assert_is_over(&called, &answer.value);
        let evidence = answer.evidence;
        assert!(
            evidence.threads == 1 && evidence.children + evidence.zombies + evidence.orphans == 0,
            "{called} left {} and {}",
            counted(evidence.threads as usize - 1, "thread"),
            counted(
                (evidence.children + evidence.zombies + evidence.orphans) as usize,
                "process"
            )
        );
    }
}

#[proctor::test(clauses = [4, 8, 10], subject = |(workers, bad): (usize, usize)| -> AtTheEnd {
    at_the_end(workers, workers, Some(bad), workers)
})]
fn a_panic_comes_after_the_end_of_every_call(mut subject: Subject) {
    for (workers, bad) in [(2, 0), (2, 1), (5, 0), (5, 2), (5, 4)] {
        let called = called_with_panic(workers, workers, Some(bad));
        let answer = ask_at_the_gate(&mut subject, &(workers, bad), || {
            format!("{called}: not all calls are in progress when one panics, or it never returns")
        });
        assert_is_over(&called, &answer.value);
    }
}

/// Calls `map`. Calls of `f` meet at a gate of this width; if one of them then
/// panics, the others last until the calling thread waits for them or is back.
fn at_the_end(workers: usize, length: usize, bad: Option<usize>, width: usize) -> AtTheEnd {
    a_plain_call();
    // All of it outlives threads that nobody waits for.
    let state: &'static End = Box::leak(Box::new(End::new(width)));
    let items: &'static [usize] = Vec::leak((0..length).collect());
    let probe = state.probes.probe();
    let result = catch_unwind(AssertUnwindSafe(|| {
        scoped_map::map(count(workers), items, move |item| {
            let _inside = Inside::enter(&state.inside);
            let _owned = &probe;
            state.gate.meet();
            if Some(*item) == bad {
                panic_any(Payload(*item as u64));
            }
            if bad.is_some() {
                state.last_until_the_caller_waits();
            }
        })
    }));
    let inside = state.inside.load(SeqCst);
    let drops = state.probes.events();
    state.is_back.store(true, SeqCst);
    let threads = threads_left();
    let me = drops.first().map_or(0, |made| made.thread);
    let drops = drops.into_iter().filter(|event| event.what != Life::Made);
    let (by_me, by_others): (Vec<_>, Vec<_>) = drops.partition(|event| event.thread == me);
    AtTheEnd {
        ended: Ended::of(result),
        inside,
        threads,
        dropped: (by_me.len(), by_others.len()),
    }
}

struct End {
    gate: Gate,
    caller: ThreadId,
    onlooker: Mutex<Onlooker>,
    is_back: AtomicBool,
    inside: AtomicUsize,
    probes: Probes,
}

impl End {
    /// For calls of this thread's `map`, which meet at a gate of this width.
    fn new(width: usize) -> Self {
        End {
            gate: Gate::new(width),
            caller: thread::current().id(),
            onlooker: Mutex::new(Onlooker::of_this_thread()),
            is_back: AtomicBool::new(false),
            inside: AtomicUsize::new(0),
            probes: Probes::new(),
        }
    }

    /// On another thread: returns when the caller waits, or is back.
    fn last_until_the_caller_waits(&self) {
        if thread::current().id() != self.caller {
            let mut caller = *lock(&self.onlooker);
            caller.until_it_waits_or(|| self.is_back.load(SeqCst));
        }
    }
}

fn assert_is_over(called: &str, end: &AtTheEnd) {
    assert!(
        end.inside == 0,
        "{called} came back while {} calls of f were in progress",
        end.inside
    );
    assert!(
        end.threads == 0,
        "{called} came back, and {} of its threads stay",
        end.threads
    );
    assert!(
        end.dropped == (1, 0),
        "{called}: when it came back, f had been dropped {} times by the calling thread and {} \
         times by other threads; it must be dropped once, by the calling thread",
        end.dropped.0,
        end.dropped.1
    );
}

/// Panics that std's hook and the test's own were told of.
static HOOKED: AtomicUsize = AtomicUsize::new(0);

#[proctor::test(clauses = [8, 9, 10], subject = |(rounds, length): (usize, usize)| -> (Vec<String>, usize) {
    let items: Vec<usize> = (0..length).collect();
    let round = || {
        let _ = scoped_map::map(count(2), &items, |item| item.to_string());
        let _ = catch_unwind(AssertUnwindSafe(|| {
            scoped_map::map(count(2), &items, |item| {
                if *item == length / 2 {
                    panic_any(Payload(0));
                }
                *item
            })
        }));
        threads_left();
    };
    let before = Surroundings::now();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| _ = HOOKED.fetch_add(1, SeqCst)));
    for _ in 0..rounds {
        round();
    }
    let changes = before.changes();
    // Is the hook still the one that was set?
    HOOKED.store(0, SeqCst);
    let _ = catch_unwind(|| panic_any(Payload(1)));
    std::panic::set_hook(hook);
    (changes, HOOKED.load(SeqCst))
})]
fn nothing_is_left_behind(mut subject: Subject) {
    for (rounds, length) in [(1, 10), (1, 12), (50, 4), (1, 200)] {
        let called = format!(
            "{rounds} times map(workers: 2, items: {length}), and {rounds} times with a panic,"
        );
        let answer = subject.ask(&(rounds, length));
        let (changes, hooked) = answer.value;
        assert!(
            changes.is_empty(),
            "{called} left changes behind: {}",
            changes.join("; ")
        );
        assert!(
            hooked == 1,
            "{called} left another panic hook behind: put back the one that was there"
        );
        let evidence = answer.evidence;
        assert!(
            evidence.descriptors_left == 0
                && evidence.relics.is_empty()
                && evidence.files_left.is_empty(),
            "{called} left {} descriptors, {:?} and {:?} behind",
            evidence.descriptors_left,
            evidence.relics,
            evidence.files_left
        );
        // The first call may leave what std makes when it is first needed.
        assert!(
            length == 10 || evidence.heap.left < 512,
            "{called} left {} bytes of memory behind",
            evidence.heap.left
        );
    }
}

// ---- C10, C11, C12: panics ----

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

impl Ended {
    fn of<R>(result: Result<Vec<R>, Box<dyn Any + Send>>) -> Ended {
        match result {
            Ok(results) => Ended::Returned(results.len()),
            Err(payload) => match payload.downcast::<Payload>() {
                Ok(payload) => Ended::SamePayload(payload.0),
                Err(other) => Ended::OtherPayload(text_of(&*other)),
            },
        }
    }
}

/// What `f` panics with: no text, so that a message cannot pass for it.
struct Payload(u64);

/// A payload whose drop panics: `map` must not drop what it hands on.
struct Touchy(u64);

impl Drop for Touchy {
    fn drop(&mut self) {
        panic!("the payload was dropped");
    }
}

/// Where the text of the last String lies: a copy lies somewhere else.
static ADDRESS: AtomicUsize = AtomicUsize::new(0);

/// Panics with a payload of this kind that holds `secret`.
fn panic_with(kind: u8, secret: u64) -> ! {
    match kind {
        0 => panic_any(Payload(secret)),
        1 => panic_any(["one", "two", "three"][secret as usize % 3]),
        2 => panic!("text {secret}"),
        3 => panic_any([secret; 1024]),
        4 => panic_any(()),
        5 => panic_any(Touchy(secret)),
        6 => resume_unwind(Box::new(Payload(secret))),
        8 => {
            let text = secret.to_string();
            ADDRESS.store(text.as_ptr().addr(), SeqCst);
            panic_any(text)
        }
        _ => panic_any(Box::new(secret) as Box<dyn Any + Send>),
    }
}

/// Whether it is the payload of such a panic.
fn is_payload(kind: u8, secret: u64, payload: Box<dyn Any + Send>) -> bool {
    match kind {
        0 | 6 => payload
            .downcast_ref::<Payload>()
            .is_some_and(|payload| payload.0 == secret),
        1 => payload.downcast_ref() == Some(&["one", "two", "three"][secret as usize % 3]),
        2 => payload.downcast_ref() == Some(&format!("text {secret}")),
        3 => payload.downcast_ref() == Some(&[secret; 1024]),
        4 => payload.is::<()>(),
        8 => payload.downcast_ref::<String>().is_some_and(|text| {
            *text == secret.to_string() && text.as_ptr().addr() == ADDRESS.load(SeqCst)
        }),
        5 => match payload.downcast::<Touchy>() {
            Ok(touchy) => {
                let is_same = touchy.0 == secret;
                std::mem::forget(touchy);
                is_same
            }
            Err(_) => false,
        },
        _ => payload
            .downcast_ref::<Box<dyn Any + Send>>()
            .is_some_and(|inner| inner.downcast_ref() == Some(&secret)),
    }
}

const KINDS: [&str; 9] = [
    "a type of its own",
    "a &str",
    "a String",
    "a value of 8 KiB",
    "a value of size 0",
    "a value whose drop panics",
    "a payload that was resumed",
    "a box",
    "a String (the very one, not a copy)",
];

/// Whether it is the payload, or how else `map` ended.
type Caught = (bool, Ended);

#[proctor::test(clauses = [2, 10], subject = |(workers, length, bad, kind, secret): (usize, usize, usize, u8, u64)| -> Caught {
    let items: Vec<usize> = (0..length).collect();
    a_plain_call();
    let result = catch_unwind(AssertUnwindSafe(|| {
        scoped_map::map(count(workers), &items, |item| {
            if *item == bad {
                panic_with(kind, secret);
            }
            *item
        })
    }));
    threads_left();
    match result {
        Ok(results) => (false, Ended::Returned(results.len())),
        Err(payload) => {
            let text = Ended::OtherPayload(text_of(&*payload));
            (is_payload(kind, secret, payload), text)
        }
    }
})]
fn a_panic_reaches_the_caller_with_its_payload(mut subject: Subject) {
    let mut cases = vec![
        (1, 1, 0),
        (1, 4, 1),
        (2, 2, 1),
        (4, 4, 0),
        (4, 20, 19),
        (4, 20, 7),
        (8, 3, 2),
        (3, 10, 9),
    ];
    let mut rng = proctor::rng();
    cases.extend((0..10).map(|_| {
        let length = rng.usize(1..30);
        (rng.usize(1..9), length, rng.usize(..length))
    }));
    for ((workers, length, bad), kind) in cases.into_iter().zip((0..9).cycle()) {
        let secret = proctor::random::<u64>();
        let called = format!(
            "map(workers: {workers}, items: {length}) whose f panics for item {bad} with {} as its payload",
            KINDS[usize::from(kind)]
        );
        let answer = match subject.try_ask(&(workers, length, bad, kind, secret)) {
            Ok(answer) => answer,
            Err(failing) => never_returns(failing, &called).end(),
        };
        let (is_same, ended) = answer.value;
        if !is_same {
            not_the_payload(&called, &ended);
        }
    }
}

fn not_the_payload(called: &str, ended: &Ended) -> ! {
    match ended {
        Ended::Returned(results) => fail(
            Outcome::Fail,
            format!(
                "{called} returned {results} results as if nothing had happened: the panic must \
                 reach the caller"
            ),
        ),
        Ended::OtherPayload(text) => fail(
            Outcome::Fail,
            format!("{called} panicked, but with a payload that is not f's: {text:?}"),
        ),
        Ended::SamePayload(_) => fail(
            Outcome::Fail,
            format!("{called}: the payload has changed on its way"),
        ),
    }
}

#[proctor::test(clauses = [4, 10], subject = |(workers, length, width): (usize, usize, usize)| -> Ended {
    a_plain_call();
    let gate = Gate::new(width);
    let items: Vec<u64> = (0..length as u64).collect();
    let result = catch_unwind(AssertUnwindSafe(|| {
        scoped_map::map(count(workers), &items, |item| {
            gate.meet();
            panic_any(Payload(1000 + item));
        })
    }));
    threads_left();
    // The compiler cannot tell what `f` returns.
    let result: Result<Vec<()>, _> = result;
    Ended::of(result)
})]
fn of_several_panics_one_reaches_the_caller(mut subject: Subject) {
    // In all calls, one after the other; and in several at the same moment.
    for (workers, length, width) in [
        (1, 5, 1),
        (3, 9, 1),
        (2, 2, 2),
        (4, 4, 4),
        (4, 12, 4),
        (7, 7, 7),
    ] {
        let called =
            format!("map(workers: {workers}, items: {length}) whose f panics for every item");
        let answer = match subject.try_ask(&(workers, length, width)) {
            Ok(answer) => answer,
            Err(failing) => never_returns(failing, &called).end(),
        };
        match answer.value {
            Ended::SamePayload(payload) if (1000..1000 + length as u64).contains(&payload) => {}
            ended => not_the_payload(&called, &ended),
        }
    }
}

/// A result that cannot be cloned. It holds no pointer, so that a drop of memory
/// that never held one is recorded and does not crash.
struct Owner {
    probe: Probe,
    _empty: EmptyProbe,
}

/// What became of results and payloads.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Fate {
    /// What must never happen.
    wrongs: Vec<String>,
    /// Results that were dropped before `map` returned, or are left although it
    /// panicked.
    results: usize,
    /// Payloads that are left, without the one that came to the caller.
    payloads: usize,
    /// Results that came back and are no results, or not that item's.
    bad: usize,
    /// Of size 0: made and not dropped, after everything is over.
    empty: i64,
}

#[proctor::test(clauses = [2, 10, 11], subject = |(workers, length, bad): (usize, usize, usize)| -> Fate {
    a_plain_call();
    let (results, payloads) = (Probes::new(), Probes::new());
    let empty = EmptyProbe::alive();
    let items: Vec<usize> = (0..length).collect();
    let mapped = catch_unwind(AssertUnwindSafe(|| {
        scoped_map::map(count(workers), &items, |item| {
            if bad != 0 && item % bad == bad - 1 {
                panic_any(payloads.probe());
            }
            Owner {
                probe: results.probe(),
                _empty: EmptyProbe::new(),
            }
        })
    }));
    threads_left();
    let fate = match &mapped {
        Ok(owners) => Fate {
            wrongs: Vec::new(),
            results: results.made() as usize - results.alive().len(),
            payloads: payloads.alive().len(),
            bad: owners.iter().filter(|owner| !owner.probe.is_alive()).count(),
            empty: 0,
        },
        Err(_) => Fate {
            wrongs: Vec::new(),
            results: results.alive().len(),
            payloads: payloads.alive().len().saturating_sub(1),
            bad: 0,
            empty: 0,
        },
    };
    drop(mapped);
    let mut wrongs = results.wrongs();
    wrongs.extend(payloads.wrongs());
    wrongs.dedup();
    let bad = fate.bad + results.alive().len() + payloads.alive().len();
    Fate { wrongs, bad, empty: EmptyProbe::alive() - empty, ..fate }
})]
fn every_result_is_returned_or_dropped_once(mut subject: Subject) {
    // Without a panic; with one in the first call, in the middle, in the last,
    // in many.
    for (workers, length, bad) in [
        (1, 6, 0),
        (4, 40, 0),
        (3, 200, 0),
        (1, 6, 6),
        (1, 6, 1),
        (1, 9, 4),
        (2, 30, 29),
        (4, 40, 3),
        (4, 40, 20),
        (3, 3, 1),
        (5, 200, 150),
    ] {
        let called = match bad {
            0 => format!("map(workers: {workers}, items: {length})"),
            _ => format!(
                "map(workers: {workers}, items: {length}) whose f panics for every {bad}th item"
            ),
        };
        let asked = subject.try_ask(&(workers, length, bad));
        let fate = asked
            .unwrap_or_else(|failing| never_returns(failing, &called).end())
            .value;
        assert!(
            fate.wrongs.is_empty(),
            "{called}: {}",
            fate.wrongs.join("; ")
        );
        assert!(
            fate.results == 0,
            "{called}: {} results were {}",
            fate.results,
            if bad == 0 {
                "dropped or lost on their way"
            } else {
                "never dropped after the panic"
            }
        );
        assert!(
            fate.payloads == 0,
            "{called}: {} payloads were neither handed on nor dropped",
            fate.payloads
        );
        assert!(
            fate.bad == 0 && fate.empty == 0,
            "{called}: {} results or payloads, and {} values of size 0, were dropped too often or \
             never",
            fate.bad,
            fate.empty
        );
    }
}

#[proctor::test(clauses = [1, 2, 8, 9, 11, 12], faults = [Thread], subject = |(workers, length): (usize, usize)| -> Refused {
    if length == 0 {
        a_plain_call();
    }
    let before = Surroundings::now();
    // All of it outlives threads that nobody waits for.
    let state: &'static End = Box::leak(Box::new(End::new(1)));
    let calls: &'static [AtomicUsize] = Vec::leak((0..length).map(|_| AtomicUsize::new(0)).collect());
    let items: &'static [usize] = Vec::leak((0..length).collect());
    let result = catch_unwind(AssertUnwindSafe(|| {
        scoped_map::map(count(workers), items, |item| {
            let _inside = Inside::enter(&state.inside);
            calls[*item].fetch_add(1, SeqCst);
            state.last_until_the_caller_waits();
            (*item, state.probes.probe())
        })
    }));
    let inside = state.inside.load(SeqCst);
    state.is_back.store(true, SeqCst);
    let threads = threads_left();
    let results = result.ok().map(|results| results.iter().map(|(item, _)| *item).collect());
    Refused {
        results,
        calls: calls.iter().map(|calls| calls.load(SeqCst)).collect(),
        inside,
        threads,
        alive: state.probes.alive().len(),
        wrongs: state.probes.wrongs(),
        changes: before.changes(),
    }
})]
fn a_thread_that_cannot_be_started_is_no_disaster(mut subject: Subject) {
    // Every thread can be started.
    subject.ask(&(1, 0));
    const FOR_EVER: u32 = 1000;
    for (workers, length, started, refused) in [
        (4, 40, 0, FOR_EVER),
        (4, 40, 0, 1),
        (4, 40, 1, FOR_EVER),
        (4, 41, 2, 1),
        (4, 40, 3, 1),
        (3, 3, 1, 1),
        (1, 5, 0, 1),
        (6, 4, 2, FOR_EVER),
    ] {
        // EAGAIN: too many threads (man 2 clone).
        let error = io::Error::from_raw_os_error(11);
        let errno = error.try_into().expect("it is an error of the kernel");
        let failure = Failure::of(Fault::Thread, errno);
        subject.fail(failure.after(started).times(refused));
        let called = format!(
            "map(workers: {workers}, items: {length}), when {} can be started and the next cannot,",
            counted(started as usize, "thread")
        );
        let answer = match subject.try_ask(&(workers, length)) {
            Ok(answer) => answer,
            Err(mut failing) => {
                failing.cause = format!("{called} does not come back: {}", failing.cause);
                failing.end()
            }
        };
        let seen = answer.value;
        if let Some(results) = &seen.results {
            assert!(
                results.iter().copied().eq(0..length),
                "{called} returned {} results as if all were well, and they are not those of \
                 the {length} items",
                results.len()
            );
        }
        assert!(
            seen.calls.iter().all(|calls| *calls <= 1),
            "{called} called f more than once for an item"
        );
        assert!(
            seen.inside == 0 && seen.threads == 0,
            "{called} came back while {} of f ran, and left {} behind",
            counted(seen.inside, "call"),
            counted(seen.threads, "thread")
        );
        assert!(
            seen.alive == 0 && seen.wrongs.is_empty(),
            "{called}: {} results were never dropped {}",
            seen.alive,
            seen.wrongs.join("; ")
        );
        assert!(
            seen.changes.is_empty(),
            "{called} left changes behind: {}",
            seen.changes.join("; ")
        );
        // The next call knows nothing of it.
        let after = subject.ask(&(workers, length)).value;
        assert!(
            after.results.is_some_and(|results| results.len() == length),
            "{called} spoilt the next call, in which every thread can be started"
        );
    }
}

/// What was seen of a `map` that could not start its threads.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct Refused {
    /// `None` if it panicked.
    results: Option<Vec<usize>>,
    calls: Vec<usize>,
    inside: usize,
    threads: usize,
    alive: usize,
    wrongs: Vec<String>,
    /// Of what the calling thread shares with `map`.
    changes: Vec<String>,
}

// ---- C13, C14: callers ----

#[proctor::test(clauses = [1, 4, 13], subject = |(outer, inner): (usize, usize)| -> (usize, bool) {
    // All calls of all inner maps are in progress at the same time.
    let gate = Gate::new(outer * inner);
    let rows: Vec<usize> = (0..outer).collect();
    let columns: Vec<usize> = (0..inner).collect();
    let table = scoped_map::map(count(outer), &rows, |row| {
        scoped_map::map(count(inner), &columns, |column| {
            gate.meet();
            row * 100 + column
        })
    });
    let is_right = table.iter().enumerate().all(|(row, results)| {
        results.iter().copied().eq((0..inner).map(|column| row * 100 + column))
    });
    (gate.inside(), is_right)
})]
fn f_may_call_map(mut subject: Subject) {
    for (outer, inner) in [(1, 1), (1, 3), (3, 1), (2, 2), (4, 5)] {
        let answer = ask_at_the_gate(&mut subject, &(outer, inner), || {
            format!(
                "a map(workers: {inner}, items: {inner}) inside of the f of map(workers: {outer}, \
                 items: {outer}), inner calls: {}",
                too_few(outer * inner)
            )
        });
        let (inside, is_right) = answer.value;
        assert!(
            is_right && inside == outer * inner,
            "a map inside of f: {inside} calls met, and its results are {}",
            if is_right { "right" } else { "wrong" }
        );
    }
}

#[proctor::test(clauses = [1, 4, 13], subject = |maps: Vec<usize>| -> bool {
    let gate = Gate::new(maps.iter().sum());
    // None of them is called by the main thread.
    thread::scope(|scope| {
        let all: Vec<_> = maps.iter().map(|workers| {
            let gate = &gate;
            scope.spawn(move || {
                let items: Vec<usize> = (0..*workers).collect();
                let results = scoped_map::map(count(*workers), &items, |item| {
                    gate.meet();
                    workers * 1000 + item
                });
                results.iter().copied().eq((0..*workers).map(|item| workers * 1000 + item))
            })
        }).collect();
        let joined = all.into_iter().map(|one| one.join().unwrap_or_else(|payload| resume_unwind(payload)));
        // Each of them is joined.
        joined.filter(|is_right| !is_right).count() == 0
    })
})]
fn several_threads_may_call_map_at_the_same_time(mut subject: Subject) {
    for maps in [vec![1], vec![2, 3], vec![4, 4], vec![1, 2, 3, 4, 5]] {
        let answer = ask_at_the_gate(&mut subject, &maps, || {
            format!(
                "{} threads call map at the same time, with {maps:?} workers: not all calls of f \
                 are in progress at once",
                maps.len()
            )
        });
        assert!(
            answer.value,
            "threads that call map at the same time, with {maps:?} workers, get wrong results"
        );
    }
}

#[proctor::test(clauses = [1, 3, 4, 6, 7, 10, 13], slow = true, deadline = 60.0, subject = |rounds: usize| -> Option<usize> {
    let items: Vec<usize> = (0..7).collect();
    (0..rounds).find(|round| {
        if round % 10 == 3 {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                scoped_map::map(count(2), &items, |item| assert!(*item != round % 7, "panics"))
            }));
            threads_left();
        }
        let length = round % 7 + 1;
        let results = scoped_map::map(count(round % 2 + 1), &items[..length], |item| item + round);
        !results.iter().copied().eq((0..length).map(|item| item + round))
    })
}, many = |calls: usize| -> Option<usize> {
    // Without items no thread has to be started, and so many calls take no time.
    let right = |call: &usize| match call % 1000 {
        0 => scoped_map::map(count(1), &[*call], |call| !call) == [!call],
        _ => scoped_map::map(count(2), &[], |call: &usize| !call).is_empty(),
    };
    (0..calls).find(|call| !right(call))
}, after_panics = |(panics, workers): (usize, usize)| -> usize {
    a_plain_call();
    let items: Vec<usize> = (0..workers).collect();
    for _ in 0..panics {
        let _ = catch_unwind(AssertUnwindSafe(|| scoped_map::map(count(2), &items, |item| {
            assert!(*item != 1, "panics");
        })));
    }
    threads_left();
    let gate = Gate::new(workers);
    scoped_map::map(count(workers), &items, |_| _ = gate.meet());
    gate.inside()
})]
fn a_call_knows_nothing_of_earlier_calls(
    mut subject: Subject,
    mut many: Subject,
    mut after_panics: Subject,
) {
    let asked = subject.try_ask(&1000);
    let answer = asked.unwrap_or_else(|mut failing| {
        failing.cause = format!("1,000 calls of map in a row: {}", failing.cause);
        failing.end()
    });
    let wrong = answer.value;
    assert!(
        wrong.is_none(),
        "1,000 calls of map in a row: call {} gave wrong results",
        wrong.unwrap_or(0)
    );
    // More than 2^16.
    let wrong = many.ask(&66_000).value;
    assert!(
        wrong.is_none(),
        "66,000 calls of map in a row: call {} gave wrong results",
        wrong.unwrap_or(0)
    );
    let (panics, workers) = (300, 4);
    let met = ask_at_the_gate(&mut after_panics, &(panics, workers), || {
        format!(
            "after {panics} calls of map that panicked, map(workers: {workers}, items: {workers}): {}",
            too_few(workers)
        )
    });
    assert!(met.value == workers, "{} calls met at the gate", met.value);
}

/// `Sync`, but not `Send`, as a guard of a lock is.
struct Tied<'a> {
    value: &'a u64,
    _not_send: PhantomData<MutexGuard<'static, u64>>,
}

/// `Send`, but neither `Sync` nor anything else. It borrows.
struct Sealed<'a> {
    value: Cell<&'a u64>,
}

/// What a generic caller may rely on: nothing but the bounds.
fn anything<T: Sync, R: Send, F: Fn(&T) -> R + Sync>(items: &[T], f: F) -> Vec<R> {
    scoped_map::map(count(2), items, f)
}

#[proctor::test(clauses = [1, 3, 14], subject = |numbers: Vec<u64>| -> Vec<u64> {
    assert!(!proctor::implements!(Tied<'static>: Send) && proctor::implements!(Tied<'static>: Sync));
    assert!(!proctor::implements!(Sealed<'static>: Sync) && proctor::implements!(Sealed<'static>: Send));
    let items: Vec<Tied> = numbers
        .iter()
        .map(|value| Tied { value, _not_send: PhantomData })
        .collect();
    // `f` owns what is not `Send`, and can be called but neither cloned nor sent.
    let owned = Tied { value: &numbers[0], _not_send: PhantomData };
    let f = move |item: &Tied<'_>| -> (u64, Cell<u64>) {
        let owned = &owned;
        (*item.value, Cell::new(*owned.value))
    };
    let results = scoped_map::map(count(3), &items, f);
    let again = anything(&numbers, |number| Cell::new(*number));
    // Results may borrow what the items borrow.
    let borrowing: Vec<&u64> = numbers.iter().collect();
    let sealed: Vec<Sealed> = scoped_map::map(count(2), &borrowing, |value| Sealed { value: Cell::new(*value) });
    // Results of 64 KiB each, a few dozen of them.
    let large: Vec<[u64; 8192]> = scoped_map::map(count(2), &[1_u64; 40], |n| [*n; 8192]);
    assert!(large.len() == 40 && large.iter().all(|result| result[8191] == 1));
    // A function, a reference to a closure, a slice of an array.
    let plain: Vec<u64> = scoped_map::map(count(2), &[1_u64, 2, 3][1..], u64::clone);
    assert_eq!(plain, [2, 3]);
    let by_reference: &(dyn Fn(&u64) -> u64 + Sync) = &|number| *number;
    let same = scoped_map::map(count(2), &numbers, by_reference);
    results
        .iter()
        .zip(again)
        .zip(sealed)
        .zip(same)
        .map(|((((number, first), again), sealed), same)| {
            let all = [again.get(), *sealed.value.get(), same];
            assert!(all.iter().all(|other| other == number) && first.get() == numbers[0]);
            *number
        })
        .collect()
})]
fn every_type_within_the_bounds_will_do(mut subject: Subject) {
    let numbers = some_numbers(10);
    let results = subject.ask(&numbers).value;
    assert!(
        results == numbers,
        "items that are not Send, results that are not Sync: {results:?} in place of {numbers:?}"
    );
}

// ---- helpers ----

/// A call without a panic and outside of `catch_unwind`: code that panics by
/// itself ends here, and is not taken for code that hands on a panic.
fn a_plain_call() {
    assert_eq!(scoped_map::map(count(1), &[1_u8, 2], |n| n + 1), [2, 3]);
}

/// A call of `f`, counted from its beginning to its end, a panic included.
struct Inside<'a>(&'a AtomicUsize);

impl<'a> Inside<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Inside(count)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

fn count(workers: usize) -> NonZeroUsize {
    NonZeroUsize::new(workers).expect("the tests ask for at least one worker")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it is locked")
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

fn called_with_panic(workers: usize, length: usize, bad: Option<usize>) -> String {
    match bad {
        Some(bad) => {
            format!("map(workers: {workers}, items: {length}) whose f panics for item {bad}")
        }
        None => format!("map(workers: {workers}, items: {length})"),
    }
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
        Err(failing) => Gate::explained(failing, &why()).end(),
    }
}

/// Says which call did not come back, whatever has become of it.
fn never_returns(mut failing: Failing, called: &str) -> Failing {
    failing.cause = format!("{called} never returns: {}", failing.cause);
    failing
}
