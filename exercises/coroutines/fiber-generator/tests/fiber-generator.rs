//! What a generator on a fiber must do, judged from outside.
proctor::exercise!(fiber_generator);

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::thread;

use fiber_generator::{Generator, Yielder};
use proctor::Subject;

/// How far a body may run ahead before it gives up, so that a generator that
/// asks for everything at once is named instead of running for ever.
const FAR_AHEAD: u64 = 1000;

#[proctor::test(subject = |items: Vec<String>| {
    let most = items.len() + 3;
    let generator = Generator::new(move |yielder| {
        for item in items {
            yielder.yield_item(item);
        }
    });
    generator.take(most).collect::<Vec<String>>()
})]
fn items_come_in_the_order_in_which_they_are_yielded(mut subject: Subject) {
    for items in [proctor::random::<Vec<String>>(), Vec::new()] {
        let got = subject.ask(&items).value;
        assert_eq!(
            got, items,
            "the items of the iterator (left) are not those that the body yielded (right)"
        );
    }
}

#[proctor::test(subject = |first: u64| {
    let ran = Rc::new(Cell::new(false));
    let seen = Rc::clone(&ran);
    let generator = Generator::new(move |yielder| {
        seen.set(true);
        yielder.yield_item(first);
    });
    let by_new = ran.get();
    let mut doubled = generator.map(|n| n ^ 1);
    let by_map = ran.get();
    let got = doubled.next();
    (by_new, by_map, ran.get(), got)
})]
fn nothing_runs_before_the_first_next(mut subject: Subject) {
    let first = proctor::random::<u64>();
    let (by_new, by_map, by_next, got) = subject.ask(&first).value;
    assert!(
        !by_new,
        "Generator::new ran the body: nothing may run before the first next()"
    );
    assert!(!by_map, "the body ran before the first next()");
    assert!(by_next, "next() gave {got:?} and the body did not run");
    assert_eq!(
        got,
        Some(first ^ 1),
        "the first next() gave (left) what the body did not yield (right)"
    );
}

#[proctor::test(subject = |(start, calls): (u64, u64)| {
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
    let answers = subject.ask(&(start, calls)).value;
    for (call, (item, reached)) in (1..).zip(answers) {
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
}

#[proctor::test(subject = |(items, more): (Vec<u64>, usize)| {
    let ended = Rc::new(Cell::new(0));
    let ends = Rc::clone(&ended);
    let mut generator = Generator::new(move |yielder| {
        for item in items {
            yielder.yield_item(item);
        }
        ends.set(ends.get() + 1);
    });
    let got: Vec<u64> = generator.by_ref().collect();
    let ended_by_then: u32 = ended.get();
    let after: Vec<Option<u64>> = (0..more).map(|_| generator.next()).collect();
    (got, ended_by_then, after, ended.get())
})]
fn after_the_body_returned_next_is_none_for_ever(mut subject: Subject) {
    for items in [proctor::random::<Vec<u64>>(), Vec::new()] {
        let more = proctor::rng().usize(3..50);
        let (got, ended_by_then, after, ended) = subject.ask(&(items.clone(), more)).value;
        assert_eq!(
            got, items,
            "the items of the iterator (left) are not those that the body yielded (right)"
        );
        assert_eq!(
            ended_by_then, 1,
            "next() said None before the body came to its end"
        );
        assert!(
            after.iter().all(Option::is_none),
            "after None, which ends it, next() gave {after:?}"
        );
        assert_eq!(ended, 1, "the body came to its end {ended} times");
    }
}

/// What one call of `next` came to: an item or `None`, or a panic and its
/// payload where that was the body's.
type Call = Result<Option<u64>, Option<u64>>;

#[proctor::test(subject = |(items, payload, more): (Vec<u64>, u64, usize)| {
    let calls = items.len() + 1 + more;
    let dropped = Rc::new(RefCell::new(Vec::new()));
    let local = Noted("a local of the body", Rc::clone(&dropped));
    let mut generator = Generator::new(move |yielder| {
        let _local = local;
        for item in items {
            yielder.yield_item(item);
        }
        panic_any(payload);
    });
    let calls: Vec<Call> = (0..calls)
        .map(|_| catch_unwind(AssertUnwindSafe(|| generator.next())))
        .map(|call| call.map_err(|payload| payload.downcast_ref().copied()))
        .collect();
    let dropped = dropped.borrow().len();
    (calls, dropped)
})]
fn a_panic_in_the_body_reaches_the_caller_of_next(mut subject: Subject) {
    for items in [proctor::random::<Vec<u64>>(), Vec::new()] {
        let payload = proctor::random::<u64>();
        let more = proctor::rng().usize(3..20);
        let (calls, dropped) = subject.ask(&(items.clone(), payload, more)).value;
        let (before, rest) = calls.split_at(items.len());
        let expected: Vec<Call> = items.iter().map(|item| Ok(Some(*item))).collect();
        assert_eq!(
            before, expected,
            "the calls of next() before the panic (left) should have given the items (right)"
        );
        match rest[0] {
            Err(Some(got)) => assert_eq!(
                got, payload,
                "the panic's payload (left) is not the one that the body threw (right)"
            ),
            Err(None) => {
                panic!("next() panicked, with another payload than the one that the body threw")
            }
            Ok(got) => {
                panic!("the body panicked, and next() gave {got:?} as if nothing had happened")
            }
        }
        for after in &rest[1..] {
            match after {
                Ok(None) => {}
                Ok(Some(item)) => panic!("after the panic, which ends it, next() gave {item}"),
                Err(_) => {
                    panic!("next() panicked again after the body's panic: from then on it is None")
                }
            }
        }
        assert_eq!(dropped, 1, "the panic did not drop the body's locals");
    }
}

/// Writes its name into a log when it is dropped.
struct Noted(&'static str, Rc<RefCell<Vec<String>>>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0.to_owned());
    }
}

#[proctor::test(
    subject = |taken: u64| {
        let dropped = Rc::new(RefCell::new(Vec::new()));
        let steps = Rc::new(Cell::new(0));
        let captured = Noted("what it captured", Rc::clone(&dropped));
        let (log, count) = (Rc::clone(&dropped), Rc::clone(&steps));
        let (items, steps_before, dropped_before) = {
            let mut generator = Generator::new(move |yielder| {
                let _captured = &captured;
                let _outer = Noted("a local of the body", Rc::clone(&log));
                let deeper = || {
                    let _inner = Noted("a local of a call below", log);
                    while count.get() < taken + FAR_AHEAD {
                        count.set(count.get() + 1);
                        yielder.yield_item(count.get());
                    }
                };
                deeper();
            });
            let items = generator.by_ref().take(taken as usize).count() as u64;
            (items, steps.get(), dropped.borrow().clone())
            // Here the generator is dropped.
        };
        let dropped_after = dropped.borrow().clone();
        (items, steps_before, steps.get(), dropped_before, dropped_after)
    },
    rounds = |rounds: u64| {
        (0..rounds)
            .map(|round| {
                let mut generator = Generator::new(move |yielder| {
                    yielder.yield_item(round);
                    yielder.yield_item(round + 1);
                });
                generator.by_ref().take((round % 4) as usize).sum::<u64>()
            })
            .sum::<u64>()
    },
    memory = 256
)]
fn dropping_it_half_way_drops_what_lives_on_its_stack(mut subject: Subject, mut rounds: Subject) {
    for taken in [proctor::rng().u64(1..20), 0] {
        let (items, steps_before, steps, dropped_before, dropped) = subject.ask(&taken).value;
        assert_eq!(
            items, taken,
            "of an endless body {taken} items were wanted and {items} came"
        );
        assert_eq!(
            dropped_before,
            Vec::<String>::new(),
            "while the generator was alive it dropped these"
        );
        assert_eq!(
            steps, steps_before,
            "dropping the generator let the body run on from yield number {steps_before} to {steps}: nothing of it may run but destructors"
        );
        let expected: &[_] = match taken {
            0 => &["what it captured"],
            _ => &[
                "a local of a call below",
                "a local of the body",
                "what it captured",
            ],
        };
        assert_eq!(
            dropped, expected,
            "a generator was dropped after {taken} items: its fiber dropped (left), in this order, and should have dropped (right)"
        );
    }
    // With 256 MiB of address space, stacks that are not given back run out.
    let wanted = 400;
    let expected: u64 = (0..wanted)
        .map(|n| [0, n, 2 * n + 1, 2 * n + 1][n as usize % 4])
        .sum();
    assert_eq!(
        rounds.ask(&wanted).value,
        expected,
        "{wanted} generators, one after the other, gave (left) and should have given (right) in sum"
    );
}

/// Yields on the way down and on the way up, with a page's quarter on the
/// stack at each level.
fn descend(yielder: &Yielder<'_, u64>, depth: u64) {
    let mut local = [depth; 128];
    yielder.yield_item(std::hint::black_box(&mut local)[64]);
    if depth > 0 {
        descend(yielder, depth - 1);
    }
    yielder.yield_item(std::hint::black_box(&local)[127]);
}

#[proctor::test(subject = |(depth, wraps): (u64, u64)| {
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
    // The second time from a generator in a generator in a generator.
    for wraps in [0, proctor::rng().u64(2..5)] {
        let got = subject.ask(&(depth, wraps)).value;
        let expected: Vec<u64> = (0..=depth)
            .rev()
            .chain(0..=depth)
            .map(|n| n + wraps)
            .collect();
        assert_eq!(
            got, expected,
            "a body that yields from {depth} calls deep, inside {wraps} other generators, gave (left) and should have given (right)"
        );
    }
}

#[proctor::test(subject = |(starts, turns): (Vec<u64>, Vec<usize>)| {
    let caller = thread::current().id();
    let elsewhere = Rc::new(Cell::new(0_u32));
    let most = turns.len();
    let mut generators: Vec<_> = starts
        .into_iter()
        .map(|start| {
            let elsewhere = Rc::clone(&elsewhere);
            Generator::new(move |yielder| {
                // Neither of these may leave its thread.
                let mut next = Rc::new(start);
                for _ in 0..most {
                    if thread::current().id() != caller {
                        elsewhere.set(elsewhere.get() + 1);
                    }
                    yielder.yield_item(Rc::clone(&next));
                    next = Rc::new(*next + 1);
                }
            })
        })
        .collect();
    let items: Vec<Option<u64>> = turns
        .into_iter()
        .map(|turn| generators[turn].next().map(|item| *item))
        .collect();
    let marks = [
        proctor::implements!(Generator<u64>: Send),
        proctor::implements!(Generator<u64>: Iterator<Item = u64>),
    ];
    (items, elsewhere.get(), marks)
})]
fn many_take_turns_on_the_thread_of_their_caller(mut subject: Subject) {
    let mut rng = proctor::rng();
    let starts: Vec<u64> = (0..100).map(|_| u64::from(rng.u32(..))).collect();
    let turns: Vec<usize> = (0..400).map(|_| rng.usize(..starts.len())).collect();
    let answer = subject.ask(&(starts.clone(), turns.clone()));
    let (items, elsewhere, [is_send, is_an_iterator]) = answer.value;
    let mut nexts = starts;
    for (turn, (which, item)) in turns.iter().zip(items).enumerate() {
        assert_eq!(
            item,
            Some(nexts[*which]),
            "100 generators take turns: in turn {turn}, generator {which} gave (left) and should have gone on where it stopped, with (right)"
        );
        nexts[*which] += 1;
    }
    assert_eq!(
        elsewhere, 0,
        "the body ran on another thread than next(): a fiber is a stack, not a thread"
    );
    let threads = answer.evidence.threads_started.unwrap_or(0);
    assert_eq!(
        threads, 0,
        "generators started {threads} threads: a fiber is a stack, not a thread"
    );
    let processes = answer.evidence.processes_started.unwrap_or(0);
    assert_eq!(
        processes, 0,
        "generators started {processes} processes: a fiber is a stack, not a process"
    );
    assert!(
        is_an_iterator,
        "a Generator<u64> does not implement Iterator<Item = u64>"
    );
    assert!(
        !is_send,
        "Generator is Send: another thread could resume a stack on which an Rc of this thread lives"
    );
}
