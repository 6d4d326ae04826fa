//! What a generator on a fiber must do, judged from outside.
proctor::exercise!(fiber_generator);

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::rc::Rc;
use std::thread;

use fiber_generator::{Generator, Yielder};
use proctor::{Evidence, Life, Probe, Probes, Subject, Surroundings};

/// How far a body may run ahead before it gives up, so that a generator that
/// asks for everything at once is named instead of running for ever.
const FAR_AHEAD: u64 = 1000;

/// What a subject may still hold on the heap after its answer: the bookkeeping
/// of a pool of stacks, and what std makes once.
const KEPT: u64 = 8 << 10;

/// Asserts that generators started nothing and left nothing, beyond the
/// threads that the subject started itself.
fn nothing_stays(evidence: &Evidence, threads: u32) {
    let started = evidence.threads_started.unwrap_or(threads);
    assert_eq!(
        started, threads,
        "there were (left) new threads, and (right) is what the test started: a fiber is a stack, not a thread"
    );
    let started = evidence.processes_started.unwrap_or(0);
    assert_eq!(
        started, 0,
        "generators started {started} processes: a fiber is a stack, not a process"
    );
    assert_eq!(
        (evidence.children, evidence.zombies, evidence.orphans),
        (0, 0, 0),
        "generators left processes behind: running, not waited for, orphaned"
    );
    assert_eq!(
        evidence.descriptors_left, 0,
        "generators left descriptors open"
    );
    assert_eq!(evidence.relics, [""; 0], "generators left shared memory");
    assert_eq!(evidence.files_left, [""; 0], "generators left files");
}

/// The same, and asserts that all memory of Rust's allocator is free again.
fn nothing_stays_on_the_heap(evidence: &Evidence) {
    nothing_stays(evidence, 0);
    let left = evidence.heap.left;
    assert!(
        left <= KEPT,
        "{left} bytes on the heap were not given back, although every generator was dropped"
    );
}

/// Drops a value. (clippy objects to `drop` where the stub's generator has no
/// destructor yet.)
fn let_go<T>(_: T) {}

/// The numbers of the probes that were dropped, in this order, and what went
/// wrong with probes.
fn dropped(probes: &Probes) -> (Vec<u32>, Vec<String>) {
    let events = probes.events();
    let dropped = events.iter().filter(|event| event.what == Life::Dropped);
    (dropped.map(|event| event.number).collect(), probes.wrongs())
}

#[proctor::test(clauses = [2, 5, 9, 10, 16, 17], subject = |items: Vec<String>| {
    let most = items.len() + 3;
    let generator = Generator::new(move |yielder| {
        for item in items {
            yielder.yield_item(item);
        }
    });
    generator.take(most).collect::<Vec<String>>()
})]
fn items_come_in_the_order_in_which_they_are_yielded(mut subject: Subject) {
    let many = (0..3000).map(|n| n.to_string()).collect();
    for items in [proctor::random::<Vec<String>>(), Vec::new(), many] {
        let answer = subject.ask(&items);
        assert_eq!(
            answer.value, items,
            "the items of the iterator (left) are not those that the body yielded (right)"
        );
        nothing_stays_on_the_heap(&answer.evidence);
    }
}

#[proctor::test(clauses = [3, 5, 16], slow = true, subject = |count: u64| {
    let generator = Generator::new(move |yielder| {
        for item in 0..count {
            yielder.yield_item(item);
        }
    });
    let mut came = 0_u64;
    for item in generator {
        if item != came {
            break;
        }
        came += 1;
    }
    came
})]
fn a_million_items_need_no_more_memory_than_one(mut subject: Subject) {
    let one = subject.ask(&1).evidence.heap.peak;
    // More than 2^20.
    let count = 1_050_000 + proctor::rng().u64(0..1000);
    let answer = subject.ask(&count);
    assert_eq!(
        answer.value, count,
        "(left) items came in order of {count} that the body yielded"
    );
    let many = answer.evidence.heap.peak;
    assert!(
        many <= one + KEPT,
        "a generator of one item took {one} bytes of heap at most, and one of {count} items {many}: memory must not grow with the number of items"
    );
    nothing_stays_on_the_heap(&answer.evidence);
}

#[proctor::test(clauses = [5, 8, 12], subject = |first: u64| {
    let ran = Rc::new(Cell::new(0_u32));
    let generator = |seen: &Rc<Cell<u32>>| {
        let seen = Rc::clone(seen);
        Generator::new(move |yielder| {
            seen.set(seen.get() + 1);
            yielder.yield_item(first);
        })
    };
    let one = generator(&ran);
    let by_new = ran.get();
    let moved = Box::new(one);
    let _ = (moved.size_hint(), moved.size_hint());
    let by_size_hint = ran.get();
    let mut wrapped = moved.map(|n| n ^ 1).filter(|_| true).fuse().peekable();
    let by_adaptors = ran.get();
    let got = wrapped.next();
    let by_next = ran.get();
    let_go(generator(&ran));
    (by_new, by_size_hint, by_adaptors, by_next, got, ran.get())
})]
fn nothing_runs_before_the_first_next(mut subject: Subject) {
    let first = proctor::random::<u64>();
    let answer = subject.ask(&first);
    let (by_new, by_size_hint, by_adaptors, by_next, got, by_drop) = answer.value;
    assert_eq!(
        by_new, 0,
        "Generator::new ran the body: nothing may run before the first next()"
    );
    assert_eq!(
        by_size_hint, 0,
        "size_hint() ran the body: nothing may run before the first next()"
    );
    assert_eq!(
        by_adaptors, 0,
        "map(), filter() or fuse() ran the body: nothing may run before the first next()"
    );
    assert_eq!(
        (by_next, got),
        (1, Some(first ^ 1)),
        "how often the first next() ran the body, and what it gave (left), is not what it should be (right)"
    );
    assert_eq!(
        by_drop, 1,
        "a generator was dropped before the first next(), and that ran its body"
    );
    nothing_stays_on_the_heap(&answer.evidence);
}

#[proctor::test(clauses = [5, 16], subject = |(start, calls): (u64, u64)| {
    let reached = Rc::new(Cell::new(0));
    let count = Rc::clone(&reached);
    let mut generator = Generator::new(move |yielder| {
        while count.get() < calls + FAR_AHEAD {
            count.set(count.get() + 1);
            yielder.yield_item(start + count.get());
        }
    });
    (0..calls).map(|_| (generator.next(), reached.get())).collect::<Vec<(Option<u64>, u64)>>()
})]
fn each_next_runs_the_body_to_its_next_yield_and_no_further(mut subject: Subject) {
    let start = u64::from(proctor::random::<u32>());
    let calls = proctor::rng().u64(5..40);
    let answer = subject.ask(&(start, calls));
    for (call, (item, reached)) in (1..).zip(answer.value) {
        assert!(
            reached < calls + FAR_AHEAD,
            "next() number {call} let the body run through all its {reached} yields: an endless body would never give an item"
        );
        assert_eq!(
            reached, call,
            "after next() number {call} the body had reached yield number {reached}: each next() runs it to one more yield"
        );
        assert_eq!(
            item,
            Some(start + call),
            "next() number {call} gave (left) not what yield number {call} handed over (right)"
        );
    }
    nothing_stays_on_the_heap(&answer.evidence);
}

#[proctor::test(clauses = [5, 9, 17], subject = |(items, more): (Vec<u64>, usize)| {
    let ended = Rc::new(Cell::new(0));
    let ends = Rc::clone(&ended);
    let probes = Probes::new();
    let (captured, local) = (probes.probe(), probes.probe());
    let mut generator = Generator::new(move |yielder| {
        let _captured = &captured;
        let _local = local;
        for item in items {
            yielder.yield_item(item);
        }
        ends.set(ends.get() + 1);
    });
    let got: Vec<u64> = generator.by_ref().collect();
    let ended_by_then: u32 = ended.get();
    let by_then = dropped(&probes);
    let after: Vec<Option<u64>> = (0..more).map(|_| generator.next()).collect();
    let_go(generator);
    (got, ended_by_then, by_then, after, ended.get(), dropped(&probes))
})]
fn after_the_body_returned_next_is_none_for_ever(mut subject: Subject) {
    for items in [proctor::random::<Vec<u64>>(), Vec::new()] {
        let more = proctor::rng().usize(1000..1100);
        let answer = subject.ask(&(items.clone(), more));
        let (got, ended_by_then, by_then, after, ended, at_last) = answer.value;
        assert_eq!(
            got, items,
            "the items of the iterator (left) are not those that the body yielded (right)"
        );
        assert_eq!(
            ended_by_then, 1,
            "next() said None before the body came to its end"
        );
        if let Some((call, item)) = (1..).zip(&after).find(|(_, item)| item.is_some()) {
            panic!("after None, which ends it, call number {call} of next() gave {item:?}");
        }
        assert_eq!(ended, 1, "the body came to its end {ended} times");
        // The local is dropped first.
        let expected = (vec![1, 0], Vec::new());
        assert_eq!(
            by_then, expected,
            "when next() said None, the body's local (1) and what it captured (0) should have been dropped as on the right, and were as on the left"
        );
        assert_eq!(
            at_last, expected,
            "after the generator was dropped, the body's local (1) and what it captured (0) should have been dropped as on the right, and were as on the left"
        );
        nothing_stays_on_the_heap(&answer.evidence);
    }
}

/// A payload whose destructor panics, and that counts for itself otherwise.
struct Explosive(u64);

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("the payload was dropped by somebody else than the one who caught it");
    }
}

/// The kinds of payloads: a body panics with one of them.
const PAYLOADS: u32 = 8;

fn panic_with(kind: u32, number: u64, probe: Probe) {
    match kind {
        0 => panic_any(number),
        1 => panic!("the literal"),
        2 => panic!("the number {number}"),
        3 => panic_any([number; 1000]),
        4 => panic_any(Explosive(number)),
        5 => panic_any(probe),
        6 => panic_any(()),
        // Without the panic hook.
        _ => resume_unwind(Box::new((number, "resumed"))),
    }
}

/// Whether this is what `panic_with` threw.
fn is_what_was_thrown(kind: u32, number: u64, payload: Box<dyn Any + Send>) -> bool {
    match kind {
        0 => payload.downcast_ref() == Some(&number),
        1 => payload.downcast_ref() == Some(&"the literal"),
        2 => payload.downcast_ref() == Some(&format!("the number {number}")),
        3 => payload.downcast_ref() == Some(&[number; 1000]),
        4 => match payload.downcast::<Explosive>() {
            Ok(payload) => {
                let is_it = payload.0 == number;
                std::mem::forget(*payload);
                is_it
            }
            Err(other) => {
                std::mem::forget(other);
                false
            }
        },
        5 => payload.downcast_ref().is_some_and(Probe::is_alive),
        6 => payload.is::<()>(),
        _ => payload.downcast_ref() == Some(&(number, "resumed")),
    }
}

/// What one call of `next` came to: an item or `None`, or a panic and whether
/// its payload was the body's.
type Call = Result<Option<u64>, bool>;

#[proctor::test(clauses = [5, 9, 12, 16, 17, 19, 20], subject = |(items, kind, number, more): (Vec<u64>, u32, u64, usize)| {
    let calls = items.len() + 1 + more;
    let probes = Probes::new();
    let (captured, local, payload) = (probes.probe(), probes.probe(), probes.probe());
    let mut by_then = None;
    let mut generator = Generator::new(move |yielder| {
        let _captured = &captured;
        let _local = local;
        for item in items {
            yielder.yield_item(item);
        }
        panic_with(kind, number, payload);
    });
    let mut call = || match catch_unwind(AssertUnwindSafe(|| generator.next())) {
        Ok(item) => Ok(item),
        Err(payload) => {
            by_then.get_or_insert_with(|| dropped(&probes));
            Err(is_what_was_thrown(kind, number, payload))
        }
    };
    let calls = (0..calls).map(|_| call()).collect::<Vec<Call>>();
    let_go(generator);
    (calls, by_then, dropped(&probes))
})]
fn a_panic_in_the_body_reaches_the_caller_of_next(mut subject: Subject) {
    let some = proctor::random::<Vec<u64>>();
    for (items, kind) in (0..PAYLOADS).flat_map(|kind| [(some.clone(), kind), (Vec::new(), kind)]) {
        let number = proctor::random::<u64>();
        let more = proctor::rng().usize(300..400);
        let answer = subject.ask(&(items.clone(), kind, number, more));
        let (calls, by_then, (at_last, wrongs)) = answer.value;
        let (before, rest) = calls.split_at(items.len());
        let expected: Vec<Call> = items.iter().map(|item| Ok(Some(*item))).collect();
        assert_eq!(
            before, expected,
            "the calls of next() before the panic (left) should have given the items (right)"
        );
        let what = [
            "a u64",
            "a &str",
            "a String",
            "an array of 8 kB",
            "a value whose Drop panics",
            "a value with a destructor",
            "()",
            "a value thrown by resume_unwind",
        ][kind as usize];
        match rest[0] {
            Err(true) => {}
            Err(false) => {
                panic!(
                    "the body threw {what}, and next() panicked with another payload than the one that the body threw"
                )
            }
            Ok(got) => {
                panic!("the body panicked, and next() gave {got:?} as if nothing had happened")
            }
        }
        for (call, after) in (1..).zip(&rest[1..]) {
            match after {
                Ok(None) => {}
                Ok(Some(item)) => panic!(
                    "after the panic, which ends it, call number {call} of next() gave {item}"
                ),
                Err(_) => {
                    panic!(
                        "call number {call} of next() after the body's panic panicked again: from then on it is None"
                    )
                }
            }
        }
        // The probe for the payload is dropped here where it is not thrown.
        let (by_then, _) = by_then.unwrap_or_default();
        let of_the_body: Vec<u32> = by_then
            .iter()
            .copied()
            .filter(|number| *number < 2)
            .collect();
        assert_eq!(
            of_the_body,
            [1, 0],
            "when the panic came out of next(), the body's local (1) and what it captured (0) should have been dropped as on the right, and were as on the left"
        );
        assert_eq!(
            (at_last.len(), wrongs),
            (3, Vec::new()),
            "of a local, a captured value and a payload, (left) were dropped in the end, once each, and should have been (right)"
        );
        let hooks = answer.output.stderr.matches("panicked").count();
        let expected = usize::from(kind != PAYLOADS - 1);
        assert_eq!(
            hooks, expected,
            "the panic hook reported (left) panics of a body that panicked once with {what}, and should have reported (right)"
        );
        nothing_stays_on_the_heap(&answer.evidence);
    }
}

#[proctor::test(clauses = [3, 5, 10, 16, 19], subject = |rounds: u64| {
    let generator = Generator::new(move |yielder| {
        for round in 0..rounds {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                yielder.yield_item(2 * round);
                panic_any(round);
            }));
            let payload = caught.err().and_then(|payload| payload.downcast_ref().copied());
            yielder.yield_item(payload.map_or(u64::MAX, |round: u64| 2 * round + 1));
        }
    });
    let items = generator.collect::<Vec<u64>>();
    (items, thread::panicking())
})]
fn a_body_may_catch_its_own_panics(mut subject: Subject) {
    let rounds = proctor::rng().u64(3..10);
    let answer = subject.ask(&rounds);
    let (items, panicking) = answer.value;
    assert_eq!(
        items,
        (0..2 * rounds).collect::<Vec<u64>>(),
        "a body that catches its panics, and yields in between, gave (left) and should have given (right)"
    );
    assert!(
        !panicking,
        "the body caught its panics, and its thread counts as panicking all the same"
    );
    let hooks = answer.output.stderr.matches("panicked").count() as u64;
    assert_eq!(
        hooks, rounds,
        "the panic hook reported (left) of (right) panics"
    );
    nothing_stays_on_the_heap(&answer.evidence);
}

/// Yields a probe, of the numbers 4, 6, 8 …, for ever; a local below each yield
/// has the number that follows. What it captures is 0, and its locals are 1 in
/// the outer call, 2 and 3 in the inner one.
fn endless(probes: &Rc<Probes>, steps: &Rc<Cell<u64>>) -> Generator<Probe> {
    let captured = probes.probe();
    let (probes, steps) = (Rc::clone(probes), Rc::clone(steps));
    Generator::new(move |yielder| {
        let _captured = &captured;
        let _outer = probes.probe();
        let deeper = || {
            let _first = probes.probe();
            let _second = Box::new(probes.probe());
            for _ in 0..FAR_AHEAD {
                steps.set(steps.get() + 1);
                let item = probes.probe();
                let _below = probes.probe();
                yielder.yield_item(item);
            }
        };
        deeper();
    })
}

/// In which order `endless` and its caller drop what, if the caller drops the
/// generator after `taken` items and then the items.
fn drops_of_endless(taken: u64) -> Vec<u32> {
    let taken = taken as u32;
    let Some(last) = taken.checked_sub(1) else {
        return vec![0];
    };
    let locals = (0..last).map(|n| 5 + 2 * n);
    let unwound = [5 + 2 * last, 3, 2, 1, 0];
    let items = (0..taken).map(|n| 4 + 2 * n);
    locals.chain(unwound).chain(items).collect()
}

#[proctor::test(clauses = [2, 5, 6, 8, 9, 12, 16], subject = |taken: u64| {
    let (probes, steps) = (Rc::new(Probes::new()), Rc::new(Cell::new(0)));
    let mut generator = endless(&probes, &steps);
    let items: Vec<Probe> = generator.by_ref().take(taken as usize).collect();
    let steps_before = steps.get();
    let_go(generator);
    let steps_after = steps.get();
    let alive = items.iter().filter(|item| item.is_alive()).count() as u64;
    drop(items);
    (alive, steps_before, steps_after, dropped(&probes))
})]
fn dropping_it_half_way_drops_what_lives_on_its_stack(mut subject: Subject) {
    for taken in [proctor::rng().u64(2..20), 1, 0] {
        let answer = subject.ask(&taken);
        let (alive, steps_before, steps, (dropped, wrongs)) = answer.value;
        assert_eq!(
            steps, steps_before,
            "dropping the generator let the body run on from yield number {steps_before} to {steps}: nothing of it may run but destructors"
        );
        assert_eq!(
            wrongs, [""; 0],
            "a generator was dropped after {taken} items"
        );
        assert_eq!(
            alive, taken,
            "the caller took {taken} items, and (left) of them were alive when the generator had been dropped"
        );
        assert_eq!(
            dropped,
            drops_of_endless(taken),
            "a generator was dropped after {taken} items, and then the items: its fiber dropped (left), in this order, and should have dropped (right)"
        );
        nothing_stays_on_the_heap(&answer.evidence);
    }
}

/// Takes one more item in its destructor, and drops the generator.
struct LastItem {
    generator: Option<Generator<Probe>>,
    items: Rc<RefCell<Vec<Probe>>>,
}

impl Drop for LastItem {
    fn drop(&mut self) {
        if let Some(mut generator) = self.generator.take() {
            self.items.borrow_mut().extend(generator.next());
        }
    }
}

#[proctor::test(clauses = [2, 5, 6, 7, 8, 10, 12, 16], subject = |(taken, within): (u64, bool)| {
    let (probes, steps) = (Rc::new(Probes::new()), Rc::new(Cell::new(0)));
    let mut generator = endless(&probes, &steps);
    let items = Rc::new(RefCell::new(Vec::new()));
    let unstarted = Rc::new(Probes::new());
    let never = endless(&unstarted, &steps);
    let dropping = LastItem { generator: None, items: Rc::clone(&items) };
    if within {
        // Another fiber's stack is unwound.
        let mut other = Generator::new(move |yielder| {
            let (_never, mut dropping) = (never, dropping);
            for _ in 0..taken {
                dropping.items.borrow_mut().extend(generator.next());
            }
            dropping.generator = Some(generator);
            yielder.yield_item(());
        });
        other.next();
        let_go(other);
    } else {
        // This thread panics.
        let caught = catch_unwind(AssertUnwindSafe(move || {
            let (_never, mut dropping) = (never, dropping);
            for _ in 0..taken {
                dropping.items.borrow_mut().extend(generator.next());
            }
            dropping.generator = Some(generator);
            panic_any(taken);
        }));
        drop(caught);
    }
    let items = items.take();
    let taken = items.len() as u64;
    drop(items);
    (taken, steps.get(), dropped(&probes), dropped(&unstarted))
})]
fn it_works_while_its_thread_panics(mut subject: Subject) {
    for (taken, within) in [(0, false), (0, true), (3, false), (4, true)] {
        let answer = subject.ask(&(taken, within));
        let (got, steps, (dropped, wrongs), (unstarted, _)) = answer.value;
        let when = match within {
            true => "another fiber's stack was unwound",
            false => "its thread panicked",
        };
        assert_eq!(
            got,
            taken + 1,
            "next() was called once more while {when}, and there were (left) instead of (right) items"
        );
        assert_eq!(wrongs, [""; 0], "a generator was dropped while {when}");
        assert_eq!(
            steps,
            taken + 1,
            "a generator was dropped while {when}, and its body reached yield number (left) instead of (right)"
        );
        assert_eq!(
            dropped,
            drops_of_endless(taken + 1),
            "a generator was dropped while {when}: its fiber dropped (left), in this order, and should have dropped (right)"
        );
        assert_eq!(
            unstarted,
            [0],
            "a generator that had not begun was dropped while {when}: (left) instead of (right) was dropped"
        );
        nothing_stays_on_the_heap(&answer.evidence);
    }
}

#[proctor::test(clauses = [2, 4, 5, 6, 9, 10, 16], subject = |(taken, catches, returns): (u64, u64, bool)| {
    let probes = Rc::new(Probes::new());
    let ran_on = Rc::new(Cell::new(0_u64));
    let (all, count, captured) = (Rc::clone(&probes), Rc::clone(&ran_on), probes.probe());
    let mut generator = Generator::new(move |yielder| {
        let _captured = &captured;
        let _outer = all.probe();
        for _ in 0..taken - 1 {
            yielder.yield_item(all.probe());
        }
        for _ in 0..catches {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                let item = all.probe();
                let _below = all.probe();
                yielder.yield_item(item);
            }));
            count.set(count.get() + u64::from(caught.is_err()));
        }
        if !returns {
            yielder.yield_item(all.probe());
            count.set(u64::MAX);
        }
    });
    let items: Vec<Probe> = generator.by_ref().take(taken as usize).collect();
    let before = ran_on.get();
    let_go(generator);
    let alive = items.iter().filter(|item| item.is_alive()).count() as u64;
    drop(items);
    (before, ran_on.get(), alive, dropped(&probes))
})]
fn a_body_that_catches_the_unwinding_is_unwound_again(mut subject: Subject) {
    for returns in [false, true] {
        let (taken, catches) = (proctor::rng().u64(1..5), proctor::rng().u64(300..320));
        let answer = subject.ask(&(taken, catches, returns));
        let (before, ran_on, alive, (dropped, wrongs)) = answer.value;
        assert_eq!(
            before, 0,
            "the body was unwound before the generator was dropped"
        );
        assert_ne!(
            ran_on,
            u64::MAX,
            "while the generator was dropped, yield_item() returned to a body that had caught the unwinding"
        );
        assert_eq!(
            ran_on, catches,
            "the body caught the unwinding at (left) of its last (right) yields: every yield unwinds it anew"
        );
        assert_eq!(
            wrongs, [""; 0],
            "a body caught the unwinding {catches} times"
        );
        assert_eq!(
            alive, taken,
            "(left) of the (right) items that the caller had taken were alive after the drop"
        );
        // 0 is captured, 1 the outer local, then come the first items, and
        // last an item and the local below it for each time.
        let (first, catches) = (2 + taken as u32, catches as u32);
        let below = (0..catches).map(|again| first + 2 * again);
        let expected: Vec<u32> = below.chain([1, 0]).chain(2..first).collect();
        let lost = |number: &u32| *number > first && (number - first) % 2 == 1;
        let (mut lost, dropped): (Vec<u32>, Vec<u32>) = dropped.into_iter().partition(lost);
        assert_eq!(
            dropped, expected,
            "a body caught the unwinding {catches} times: its fiber dropped (left), in this order, and should have dropped (right)"
        );
        lost.sort_unstable();
        let again = (1..catches + u32::from(!returns)).map(|again| first + 2 * again - 1);
        assert_eq!(
            lost,
            again.collect::<Vec<u32>>(),
            "a body caught the unwinding {catches} times: of the items that nobody got these were dropped (left), and should have been (right)"
        );
        nothing_stays_on_the_heap(&answer.evidence);
    }
}

/// Bytes of this process's address space.
fn address_space() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split_whitespace().next().map(str::parse::<i64>);
    4096 * pages.and_then(Result::ok).unwrap_or(0)
}

/// The ways in which a generator comes to its end.
const ENDS: [&str; 8] = [
    "were dropped before the first next()",
    "were dropped half-way",
    "had come to their end",
    "had panicked",
    "were dropped half-way while their thread panicked",
    "were dropped half-way in the body of another one that was dropped half-way",
    "had caught the unwinding",
    "were dropped half-way, 300 at a time",
];

/// Brings a generator to its end, except the last kind, which is returned.
fn use_up(end: usize, number: u64) -> Option<Generator<u64>> {
    let boxed = Box::new(number);
    let mut generator = Generator::new(move |yielder| {
        let more = Box::new(*boxed + 1);
        let step = catch_unwind(AssertUnwindSafe(|| yielder.yield_item(*boxed)));
        match step {
            Err(_) if end == 6 => return,
            Err(payload) => resume_unwind(payload),
            Ok(()) => {}
        }
        yielder.yield_item(*more);
        if end == 3 {
            resume_unwind(Box::new(number));
        }
    });
    match end {
        0 => let_go(generator),
        1 | 6 => _ = generator.by_ref().take(1 + (number % 2) as usize).count(),
        2 => _ = generator.by_ref().count(),
        3 => _ = catch_unwind(AssertUnwindSafe(|| generator.by_ref().count())),
        4 => {
            _ = catch_unwind(AssertUnwindSafe(move || {
                generator.next();
                resume_unwind(Box::new(number));
            }));
        }
        5 => {
            let outer = Generator::new(move |yielder| {
                for item in generator.by_ref() {
                    yielder.yield_item(item);
                }
            });
            outer.take(1).count();
        }
        _ => {
            generator.next();
            return Some(generator);
        }
    }
    None
}

#[proctor::test(
    clauses = [5, 6, 7, 8, 9, 10, 12],
    slow = true,
    subject = |(end, count): (usize, u64)| {
        let mut alive = Vec::with_capacity(300);
        let (start, mut with_all) = (address_space(), None);
        let mut use_up = |count| {
            for number in 0..count {
                alive.extend(use_up(end, number));
                if alive.len() == 300 {
                    with_all.get_or_insert_with(address_space);
                    alive.clear();
                }
            }
            alive.clear();
        };
        // A pool of stacks may fill up first.
        use_up(300);
        let before = address_space();
        use_up(count);
        (address_space() - before, with_all.map(|with_all| with_all - start))
    },
    memory = 16384
)]
fn stacks_are_given_back(mut subject: Subject) {
    for (end, how) in ENDS.iter().enumerate() {
        let count = 600 + proctor::rng().u64(0..20);
        let answer = subject.ask(&(end, count));
        let (grown, with_300) = answer.value;
        let kib = grown >> 10;
        if let Some(with_300) = with_300 {
            let mib = with_300 >> 20;
            assert!(
                mib < 301 * 16,
                "300 generators were alive, and they took {mib} MiB of address space: more than 16 MiB each"
            );
        }
        // The smallest stack that will do has 240 KiB.
        assert!(
            kib < 4096,
            "{count} generators {how}, and the address space grew by {kib} KiB: their stacks were not given back"
        );
        if end + 1 < ENDS.len() {
            nothing_stays_on_the_heap(&answer.evidence);
        } else {
            // A pool may keep a list of 300 stacks.
            nothing_stays(&answer.evidence, 0);
        }
    }
}

/// Yields on the way down and on the way up, with a quarter of a page on the
/// stack at each level.
fn descend(yielder: &Yielder<'_, u64>, depth: u64) {
    let mut local = [depth; 128];
    yielder.yield_item(black_box(&mut local)[64]);
    if depth > 0 {
        descend(yielder, depth - 1);
    }
    yielder.yield_item(black_box(&local)[127]);
}

#[proctor::test(clauses = [3, 5, 9, 10, 13], subject = |(depth, wraps): (u64, u64)| {
    let mut generator = Generator::new(move |yielder| descend(yielder, depth));
    for _ in 0..wraps {
        let inner = generator;
        generator = Generator::new(move |yielder| {
            for item in inner {
                yielder.yield_item(item + 1);
            }
        });
    }
    generator.take(1000).collect::<Vec<u64>>()
})]
fn a_body_yields_from_deep_inside_its_calls(mut subject: Subject) {
    let depth = proctor::rng().u64(80..100);
    // Later from a generator in a generator in a generator.
    for wraps in [0, proctor::rng().u64(2..5), 60] {
        let answer = subject.ask(&(depth, wraps));
        let expected: Vec<u64> = (0..=depth)
            .rev()
            .chain(0..=depth)
            .map(|n| n + wraps)
            .collect();
        assert_eq!(
            answer.value, expected,
            "a body that yields from {depth} calls deep, inside {wraps} other generators, gave (left) and should have given (right)"
        );
        nothing_stays_on_the_heap(&answer.evidence);
    }
}

/// Calls itself until `room` bytes of stack lie between `top` and here, and
/// yields there. Each call takes a good kilobyte.
#[inline(never)]
fn fill(yielder: &Yielder<'_, u64>, top: usize, room: usize) {
    let mut local = [1_u8; 1024];
    let used = top - black_box(&mut local).as_ptr().addr();
    if used < room {
        fill(yielder, top, room);
    } else {
        yielder.yield_item(used as u64);
    }
    black_box(&local);
}

fn fills(room: usize) -> Generator<u64> {
    Generator::new(move |yielder| {
        let top = 0_u8;
        fill(yielder, black_box(&raw const top).addr(), room);
    })
}

#[proctor::test(
    clauses = [5, 10, 13],
    subject = |(room, others): (usize, usize)| {
        let mut idle: Vec<_> = (0..others).map(|_| fills(0)).collect();
        idle.iter_mut().for_each(|one| _ = one.next());
        let mut alive: Vec<_> = (0..10).map(|_| fills(room)).collect();
        let mut used: Vec<Option<u64>> = alive.iter_mut().map(Iterator::next).collect();
        // The same on a stack that was perhaps used before, and inside a body.
        drop((alive, idle));
        used.push(fills(room).next());
        used.push(Generator::new(move |yielder| {
            for item in fills(room) {
                yielder.yield_item(item);
            }
        }).next());
        used
    },
    memory = 65_536
)]
fn a_body_has_240_kib_of_stack(mut subject: Subject) {
    // The last call takes up to a kilobyte more.
    let room = (240 << 10) - 1536;
    for others in [0, 2000] {
        let answer = subject.ask(&(room, others));
        for used in answer.value {
            assert!(
                used.is_some_and(|used| used >= room as u64),
                "a body went down to {room} bytes of stack and yielded there, and next() gave {used:?}"
            );
        }
        nothing_stays(&answer.evidence, 0);
    }
}

/// Where something ran: the thread's number as the kernel gives it, and whether
/// a thread-local value was that of the caller.
type Seen = (u64, bool);

thread_local! {
    static HERE: Cell<u64> = const { Cell::new(0) };
}

fn seen(caller: u64) -> Seen {
    let thread = std::fs::read_link("/proc/thread-self");
    let number = thread
        .ok()
        .and_then(|path| path.file_name()?.to_str()?.parse().ok());
    (number.unwrap_or(0), HERE.get() == caller)
}

/// Notes where it is dropped.
struct DroppedWhere(u64, Rc<RefCell<Vec<Seen>>>);

impl Drop for DroppedWhere {
    fn drop(&mut self) {
        self.1.borrow_mut().push(seen(self.0));
    }
}

/// Where the parts of generators ran, by which thread they were called, and
/// what changed.
fn whereabouts(mark: u64) -> (Vec<Seen>, u64, Vec<String>) {
    HERE.set(mark);
    let (caller, _) = seen(mark);
    let before = Surroundings::now();
    let all = Rc::new(RefCell::new(Vec::new()));
    for end in 0..3 {
        let log = Rc::clone(&all);
        let captured = DroppedWhere(mark, Rc::clone(&all));
        let mut generator = Generator::new(move |yielder| {
            let _captured = &captured;
            let _local = DroppedWhere(mark, Rc::clone(&log));
            for turn in 0..3 {
                log.borrow_mut().push(seen(mark));
                yielder.yield_item(turn);
            }
            if end == 1 {
                resume_unwind(Box::new("the end"));
            }
        });
        if end == 0 {
            generator.by_ref().take(2).count();
        } else {
            _ = catch_unwind(AssertUnwindSafe(|| generator.by_ref().count()));
        }
        let_go(generator);
    }
    let all = all.take();
    (all, caller, before.changes())
}

#[proctor::test(clauses = [5, 6, 9, 12, 16], subject = |(mark, elsewhere): (u64, bool)| {
    if elsewhere {
        thread::spawn(move || whereabouts(mark)).join().unwrap_or_default()
    } else {
        whereabouts(mark)
    }
})]
fn everything_runs_on_the_thread_of_the_caller(mut subject: Subject) {
    for elsewhere in [false, true] {
        let mark = proctor::random::<u64>() | 1;
        let answer = subject.ask(&(mark, elsewhere));
        let (all, caller, changes) = answer.value;
        // 2 + 3 + 3 turns, and in each generator two destructors.
        assert_eq!(
            all.len(),
            14,
            "of bodies and destructors, (left) parts ran and should have been (right)"
        );
        for (thread, own_locals) in all {
            assert_eq!(
                thread, caller,
                "a part of the body ran on thread (left), and next() and drop() were called on (right): a fiber is a stack, not a thread"
            );
            assert!(
                own_locals,
                "the body saw another thread's thread-local values"
            );
        }
        assert_eq!(
            changes, [""; 0],
            "generators changed this and did not put it back"
        );
        nothing_stays(&answer.evidence, u32::from(elsewhere));
    }
}

#[proctor::test(clauses = [1, 2, 5, 10, 11, 12, 16], subject = |(starts, turns): (Vec<u64>, Vec<usize>)| {
    let most = turns.len();
    let generator = |start| {
        Generator::new(move |yielder| {
            // Neither of these may leave its thread.
            let mut next = Rc::new(start);
            for _ in 0..most {
                yielder.yield_item(Rc::clone(&next));
                next = Rc::new(*next + 1);
            }
        })
    };
    let mut generators: Vec<_> = starts.into_iter().map(generator).enumerate().collect();
    // After its turn, a generator changes places with its neighbour.
    let mut turn = |which| {
        let place = generators.iter().position(|(number, _)| *number == which)?;
        let item = generators[place].1.next();
        let neighbour = (place + 1) % generators.len();
        generators.swap(place, neighbour);
        item.map(|item| *item)
    };
    let items: Vec<Option<u64>> = turns.into_iter().map(&mut turn).collect();
    drop(generators);
    let marks = [
        proctor::implements!(Generator<u64>: Iterator<Item = u64>),
        proctor::implements!(Generator<u64>: Send),
    ];
    let yielders = [
        proctor::implements!(Yielder<'static, u64>: Send),
        proctor::implements!(Yielder<'static, u64>: Sync),
        proctor::implements!(Yielder<'static, u64>: Clone),
    ];
    (items, marks, yielders)
})]
fn many_take_turns_on_the_thread_of_their_caller(mut subject: Subject) {
    let mut rng = proctor::rng();
    let starts: Vec<u64> = (0..100).map(|_| u64::from(rng.u32(..))).collect();
    let turns: Vec<usize> = (0..400).map(|_| rng.usize(..starts.len())).collect();
    let answer = subject.ask(&(starts.clone(), turns.clone()));
    let (items, [is_an_iterator, is_send], yielder) = answer.value;
    let mut nexts = starts;
    for (turn, (which, item)) in turns.iter().zip(items).enumerate() {
        assert_eq!(
            item,
            Some(nexts[*which]),
            "100 generators take turns: in turn {turn}, generator {which} gave (left) and should have gone on where it stopped, with (right)"
        );
        nexts[*which] += 1;
    }
    nothing_stays_on_the_heap(&answer.evidence);
    assert!(
        is_an_iterator,
        "a Generator<u64> does not implement Iterator<Item = u64>"
    );
    assert!(
        !is_send,
        "Generator is Send: another thread could resume a stack on which an Rc of this thread lives"
    );
    let [is_send, is_sync, is_clone] = yielder;
    assert!(
        !is_send,
        "Yielder is Send: a body could hand it to another thread"
    );
    assert!(
        !is_sync,
        "Yielder is Sync: a body could lend it to another thread, which would then suspend a stack that it does not run on"
    );
    assert!(
        !is_clone,
        "Yielder is Clone: the body is only lent its yielder, and must not be able to make another one"
    );
}

#[proctor::test(
    clauses = [5, 6, 10],
    slow = true,
    subject = |count: u64| {
        let counted = Rc::new(());
        let mut generators: Vec<_> = (0..count)
            .map(|number| {
                let counted = Rc::clone(&counted);
                Generator::new(move |yielder| {
                    let _counted = counted;
                    yielder.yield_item(number);
                    yielder.yield_item(number + 1);
                })
            })
            .collect();
        let firsts: Vec<Option<u64>> = generators.iter_mut().map(Iterator::next).collect();
        // The last one first.
        let seconds: Vec<Option<u64>> = generators.iter_mut().rev().map(Iterator::next).collect();
        drop(generators);
        (firsts, seconds, Rc::strong_count(&counted) as u64)
    },
    memory = 131_072
)]
fn thousands_are_alive_at_once(mut subject: Subject) {
    let count = 5000 + proctor::rng().u64(0..10);
    let answer = subject.ask(&count);
    let (firsts, seconds, counted) = answer.value;
    let expected: Vec<_> = (0..count).map(Some).collect();
    assert_eq!(
        firsts, expected,
        "{count} generators were alive at once: their first items"
    );
    let expected: Vec<_> = (1..=count).rev().map(Some).collect();
    assert_eq!(
        seconds, expected,
        "{count} generators were alive at once: their second items, the last generator first"
    );
    assert_eq!(
        counted, 1,
        "{count} generators were dropped half-way, and (left) - 1 of their bodies not"
    );
    nothing_stays(&answer.evidence, 0);
}

#[proctor::test(clauses = [5, 9, 10], slow = true, subject = |count: u64| {
    let odd = (0..count).filter(|&number| {
        let mut generator = Generator::new(move |yielder| yielder.yield_item(number));
        generator.next() != Some(number)
    });
    odd.count()
})]
fn seventy_thousand_come_one_after_the_other(mut subject: Subject) {
    // More than 2^16.
    let count = 70_000 + proctor::rng().u64(0..100);
    let answer = subject.ask(&count);
    assert_eq!(
        answer.value, 0,
        "of {count} generators, one after the other, (left) did not give their item"
    );
    nothing_stays_on_the_heap(&answer.evidence);
}

/// A walk through the numbers below `high` as through a balanced tree, with a
/// generator for each node.
fn walk(low: u64, high: u64) -> Generator<u64> {
    Generator::new(move |yielder| {
        if low < high {
            let middle = low.midpoint(high);
            walk(low, middle).for_each(|item| yielder.yield_item(item));
            yielder.yield_item(middle);
            walk(middle + 1, high).for_each(|item| yielder.yield_item(item));
        }
    })
}

#[proctor::test(clauses = [2, 5, 9, 10, 17, 18], subject = |high: u64| {
    let walked = walk(0, high).take(2 * high as usize).collect::<Vec<u64>>();
    // Begun in the body of another one, then handed out of it as an item.
    let mut outer = Generator::new(move |yielder| {
        // Each of them keeps up to six alive, of at most 16 MiB.
        for number in 0..high / 2 {
            let mut inner = walk(0, number + 3);
            inner.next();
            yielder.yield_item(inner);
        }
    });
    let mut handed_out: Vec<_> = outer.by_ref().collect();
    let_go(outer);
    let handed_out: Vec<Option<u64>> = handed_out.iter_mut().map(|inner| inner.nth(1)).collect();
    let zipped: Vec<(u64, u64)> = walk(0, high).zip(walk(high, 2 * high)).collect();
    (walked, handed_out, zipped)
})]
fn generators_run_in_and_out_of_each_others_bodies(mut subject: Subject) {
    let high = proctor::rng().u64(20..60);
    let answer = subject.ask(&high);
    let (walked, handed_out, zipped) = answer.value;
    assert_eq!(
        walked,
        (0..high).collect::<Vec<u64>>(),
        "a recursion of generators gave (left) and should have given (right)"
    );
    assert_eq!(
        handed_out,
        vec![Some(2); (high / 2) as usize],
        "generators were begun in another one's body and resumed outside: they gave (left) and should have given (right)"
    );
    let expected: Vec<_> = (0..high).zip(high..2 * high).collect();
    assert_eq!(zipped, expected, "two generators were zipped");
    // A pool may keep a list of hundreds of stacks.
    nothing_stays(&answer.evidence, 0);
}

/// Yields in its destructor.
struct Afterwards<'a, 'f>(&'a Yielder<'f, u64>, u64);

impl Drop for Afterwards<'_, '_> {
    fn drop(&mut self) {
        self.0.yield_item(self.1);
    }
}

/// An item that is large in its alignment, and nothing that types often are.
#[repr(align(128))]
struct Aligned(Rc<u64>);

/// A body in a box.
type Boxed = Box<dyn FnOnce(&Yielder<'_, u64>)>;

fn three(yielder: &Yielder<'_, u64>) {
    (0..3).for_each(|n| yielder.yield_item(n));
}

#[proctor::test(clauses = [2, 3, 5, 9, 10, 14], subject = |n: u64| {
    let mut all = Vec::new();
    let mut note = |name: &str, fits: bool| all.push((name.to_owned(), fits));
    let nothing = Generator::new(|yielder| (0..3).for_each(|_| yielder.yield_item(())));
    note("items of size 0", nothing.take(9).count() == 3);
    let optional = Generator::new(move |yielder| {
        [None, Some(n), None].into_iter().for_each(|item| yielder.yield_item(item));
    });
    note("items that are None", optional.take(9).collect::<Vec<_>>() == [None, Some(n), None]);
    let aligned = Generator::new(move |yielder| {
        yielder.yield_item(Aligned(Rc::new(n)));
        let one = Aligned(Rc::new(n + 1));
        yielder.yield_item(one);
    });
    let aligned: Vec<Aligned> = aligned.collect();
    let addresses = aligned.iter().map(|item| black_box(&raw const *item).addr());
    note("items with an alignment of 128", addresses.clone().count() == 2
        && addresses.sum::<usize>().is_multiple_of(128)
        && *aligned[0].0 == n && *aligned[1].0 == n + 1);
    let large = Generator::new(move |yielder| yielder.yield_item([n; 1000]));
    note("items of 8 kB", large.collect::<Vec<_>>() == [[n; 1000]]);
    let closures = Generator::new(move |yielder| {
        yielder.yield_item(Box::new(move || n) as Box<dyn FnOnce() -> u64>);
    });
    note("items that are closures", closures.map(|item| item()).collect::<Vec<_>>() == [n]);
    let afterwards = Generator::new(move |yielder| {
        let _last = Afterwards(yielder, n + 1);
        yielder.yield_item(n);
    });
    note("a local that yields when the body returns", afterwards.collect::<Vec<_>>() == [n, n + 1]);
    note("items that cannot exist", Generator::<Infallible>::new(|_| ()).count() == 0);
    note("a function as a body", Generator::new(three).count() == 3);
    let pointer = three as fn(&Yielder<'_, u64>);
    note("a pointer to a function as a body", Generator::new(pointer).count() == 3);
    let boxed: Boxed = Box::new(three);
    note("a boxed closure as a body", Generator::new(boxed).count() == 3);
    // 512 bytes.
    let (once, shared, big) = (Box::new(n), Rc::new(Cell::new(n)), [n; 61]);
    let captures = Generator::new(move |yielder| {
        yielder.yield_item(Rc::new(*once));
        drop(once);
        yielder.yield_item(Rc::new(shared.get() + big[n as usize % 61]));
    });
    note("a body of 512 bytes that owns an Rc", captures.map(|item| *item).collect::<Vec<_>>() == [n, 2 * n]);
    all
})]
fn items_and_bodies_are_of_any_type(mut subject: Subject) {
    let answer = subject.ask(&u64::from(proctor::random::<u32>()));
    for (name, fits) in answer.value {
        assert!(fits, "a generator does not work with {name}");
    }
    nothing_stays_on_the_heap(&answer.evidence);
}

#[proctor::test(
    clauses = [5, 6, 8, 9, 10, 13, 15, 16],
    subject = |(most, room): (u64, usize)| {
        let probes = Probes::new();
        let mut alive: Vec<Generator<u64>> = Vec::with_capacity(most as usize);
        // What a panic needs of the heap must not need new address space.
        let spare: Vec<_> = (0..17).map(|_| vec![1_u8; 100 << 10]).collect();
        let top = black_box(vec![1_u8; 10 << 10]);
        drop(spare);
        let (mut refused, mut empty) = (false, false);
        while !refused && !empty && (alive.len() as u64) < most {
            let (probe, number) = (probes.probe(), alive.len() as u64);
            let made = catch_unwind(AssertUnwindSafe(|| {
                let mut generator = Generator::new(move |yielder| {
                    let _probe = &probe;
                    yielder.yield_item(number);
                    yielder.yield_item(number + 1);
                    let top = 0_u8;
                    fill(yielder, black_box(&raw const top).addr(), room);
                });
                let first = generator.next();
                (generator, first)
            }));
            match made {
                Ok((generator, Some(_))) => alive.push(generator),
                Ok((_, None)) => empty = true,
                Err(_) => refused = true,
            }
        }
        let (at_once, others) = (dropped(&probes), alive.len() as u64);
        let went_on = (1..)
            .zip(&mut alive)
            .filter_map(|(n, one)| one.next().filter(|item| *item == n));
        let went_on = went_on.count() as u64;
        // The last ones have whole stacks too.
        let last = alive.iter_mut().rev().take(10).filter_map(Iterator::next);
        let whole = last.filter(|used| *used >= room as u64).count();
        drop((alive, top));
        let again = Generator::new(three).count();
        (refused, empty, [others, went_on], whole, at_once, dropped(&probes).0.len() as u64, again)
    },
    memory = 768
)]
fn without_memory_for_a_stack_it_panics(mut subject: Subject) {
    let answer = subject.ask(&(20_000, (240 << 10) - 8192));
    let (refused, empty, [others, went_on], whole, (at_once, wrongs), at_last, again) =
        answer.value;
    assert!(
        !empty,
        "{others} generators were alive, there was no memory for another stack, and next() gave None as if the body had returned: it must panic"
    );
    assert!(
        refused,
        "{others} generators of at least 240 KiB each seem to fit into 768 MiB"
    );
    assert_eq!(
        (at_once, wrongs),
        (vec![others as u32], Vec::new()),
        "there was no memory for a stack: of the body number {others} this was dropped (left), and should have been (right)"
    );
    assert_eq!(
        went_on, others,
        "a generator found no memory for a stack, and of the other (right) only (left) go on"
    );
    assert_eq!(
        whole, 10,
        "when there was little memory, (left) of the last (right) generators had a whole stack"
    );
    assert_eq!(at_last, others + 1, "not every body was dropped in the end");
    assert_eq!(
        again, 3,
        "after all others were dropped, a generator of three items gave (left)"
    );
    nothing_stays(&answer.evidence, 0);
}

/// What other methods than `next` make of an iterator over so many items.
fn methods<I: Iterator<Item = u64>>(make: impl Fn() -> I) -> Vec<Vec<u64>> {
    let mut rest = make();
    let firsts = [
        rest.nth(2),
        rest.next(),
        rest.nth(1),
        rest.find(|n| n % 5 == 0),
    ];
    let mut by_two = make();
    let twos: Vec<u64> = by_two.by_ref().step_by(2).take(3).collect();
    let mut peeked = make().peekable();
    let peek = peeked.peek().copied();
    let mut chained = make().chain(make()).fuse();
    let folded = make().fold(7_u64, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
    let short = make().try_fold(0_u64, |sum, n| sum.checked_add(n).filter(|sum| *sum < 40));
    let mut partial = make();
    let position = partial.position(|n| n > 4).map(|n| n as u64);
    vec![
        firsts.into_iter().flatten().collect(),
        rest.collect(),
        twos,
        by_two.collect(),
        peek.into_iter().chain(peeked).collect(),
        chained.by_ref().skip(3).collect(),
        chained.collect(),
        vec![make().count() as u64, make().sum(), folded],
        [make().last(), make().max(), make().min(), short, position]
            .into_iter()
            .flatten()
            .collect(),
        partial
            .skip_while(|n| n % 3 != 0)
            .take_while(|n| n % 7 != 6)
            .collect(),
        make().zip(make().skip(1)).map(|(a, b)| a * b).collect(),
        vec![
            u64::from(make().eq(make())),
            u64::from(make().all(|n| n < 9)),
        ],
    ]
}

/// Yields the numbers below `count`.
fn counting(count: u64) -> Generator<u64> {
    Generator::new(move |yielder| (0..count).for_each(|n| yielder.yield_item(n)))
}

/// What a call of `size_hint` said.
type Hint = (usize, Option<usize>);

#[proctor::test(
    clauses = [5, 9, 10, 17, 18],
    subject = |count: u64| methods(|| counting(count)),
    hints = |count: u64| {
        let mut generator = counting(count);
        let hints = (0..count + 3).map(|_| {
            let hint = (generator.size_hint(), generator.size_hint());
            generator.next();
            hint
        });
        hints.collect::<Vec<(Hint, Hint)>>()
    }
)]
fn other_methods_agree_with_next(mut subject: Subject, mut hints: Subject) {
    for count in [proctor::rng().u64(5..40), 0, 1] {
        let answer = subject.ask(&count);
        assert_eq!(
            answer.value,
            methods(|| 0..count),
            "a generator of {count} numbers, and a range of them, were asked by nth, step_by, count, last and others"
        );
        nothing_stays_on_the_heap(&answer.evidence);
        let hints = hints.ask(&count).value;
        let remaining = (0..=count as usize).rev().chain([0, 0]);
        for (remaining, (hint, second)) in remaining.zip(hints) {
            for (lower, upper) in [hint, second] {
                assert!(
                    lower <= remaining && upper.is_none_or(|upper| remaining <= upper),
                    "size_hint() said {:?} when there were still {remaining} items to come",
                    (lower, upper)
                );
            }
        }
    }
}

/// A generator inside a generator inside a generator …, each of which hands on
/// what the next one yields.
fn nested(depth: u32) -> Generator<u32> {
    Generator::new(move |yielder| {
        yielder.yield_item(depth);
        if depth > 0 {
            for item in nested(depth - 1) {
                yielder.yield_item(item);
            }
        }
    })
}

/// What is wrong, in a few words each, when numbers are large.
fn large_numbers(items: u32) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    let mut expect = |is_so: bool, otherwise| {
        if !is_so {
            wrong.push(otherwise);
        }
    };
    let count = items as usize;

    let begun = Rc::new(Cell::new(false));
    let begins = Rc::clone(&begun);
    let empty = Generator::new(move |yielder| {
        begins.set(true);
        (0..items).for_each(|_| yielder.yield_item(()));
    });
    expect(
        !begun.get(),
        "the body ran in `new`, for items without a size",
    );
    expect(
        empty.count() == count,
        "items without a size were lost, or came twice",
    );

    let wide =
        Generator::new(move |yielder| (0..items).for_each(|n| yielder.yield_item(u128::from(n))));
    expect(
        wide.eq((0..items).map(u128::from)),
        "items of 16 bytes were lost, or changed",
    );

    let yielded = Rc::new(Cell::new(0_u32));
    let yields = Rc::clone(&yielded);
    let mut counted = Generator::new(move |yielder| {
        for n in 0..items {
            yields.set(n + 1);
            yielder.yield_item(n);
        }
    });
    let in_step = (0..items).all(|n| counted.next() == Some(n) && yielded.get() == n + 1);
    expect(
        in_step,
        "the body was not in the yield whose item came last",
    );
    let ended = (0..items).all(|_| counted.next().is_none());
    expect(ended, "after the end, a later call of `next` was not None");

    let mut skipped = Generator::new(move |yielder| (0..items).for_each(|n| yielder.yield_item(n)));
    expect(
        skipped.nth(count - 2) == Some(items - 2) && skipped.next() == Some(items - 1),
        "`nth` did not agree with `next`",
    );

    let many = 16 * u64::from(items);
    let long = Generator::new(move |yielder| (0..many).for_each(|n| yielder.yield_item(n)));
    let (lower, upper) = long.size_hint();
    let came = long.fold(0, |came, n| came + u64::from(n == came));
    expect(
        came == many,
        "more than a million items did not all come, in their order",
    );
    let upper_holds = upper.is_none_or(|upper| upper as u64 >= many);
    expect(
        lower as u64 <= many && upper_holds,
        "`size_hint` was not true",
    );

    let deep = nested(80);
    expect(
        deep.eq((0..=80).rev()),
        "80 generators inside each other did not yield all their items",
    );

    // Once, for whatever is made once.
    let _ = Generator::new(|yielder| yielder.yield_item(1)).next();
    let before = address_space();
    let all_came = (0..items).all(|n| {
        let mut one = Generator::new(move |yielder| yielder.yield_item(n));
        one.next() == Some(n)
    });
    expect(
        all_came,
        "of many generators, one after the other, one did not yield its item",
    );
    let grown = address_space().saturating_sub(before);
    expect(
        grown <= 1024,
        "many generators, one after the other, left address space taken",
    );
    wrong
}

#[proctor::test(
    clauses = [1, 2, 3, 5, 9, 10, 12, 13, 14, 16, 17, 18],
    slow = true,
    deadline = 120.0,
    subject = |items: u32| -> Vec<String> {
        large_numbers(items).into_iter().map(str::to_owned).collect()
    },
)]
fn numbers_may_be_large(mut subject: Subject) {
    // More than 16 bits can count, and 16 times as many are more than 2^20.
    let items = proctor::rng().u32(70_000..75_000);
    let wrong = subject.ask(&items).value;
    assert!(
        wrong.is_empty(),
        "with {items} items, calls or generators: {}",
        wrong.join("; ")
    );
}
