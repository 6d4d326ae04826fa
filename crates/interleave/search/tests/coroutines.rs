//! The search with threads that are coroutines: ordinary code, which asks for its operations.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use interleave_search::{Change, End, EventId, Guard, Op, Outcome, Search};

type Fiber = Coroutine<Outcome, Op, (), DefaultStack>;

/// What a thread uses to do an operation: it goes away until its turn comes.
struct Thread<'a>(&'a Yielder<Outcome, Op>);

impl Thread<'_> {
    fn does(&self, op: Op) -> Outcome {
        self.0.suspend(op)
    }

    fn update(&self, at: usize, change: Change, when: Guard) -> u64 {
        let op = Op::Update {
            at,
            change,
            success: AcqRel,
            failure: Acquire,
            when,
            spurious: false,
        };
        self.does(op).read
    }
}

/// Runs all executions of a program whose threads start together. Returns how many executions and
/// runs there were, how many executions ended with threads that wait, and what `outcome` said.
fn explore<T: Ord>(
    initial: &[u64],
    threads: &[&dyn Fn(&Thread<'_>)],
    outcome: impl Fn() -> T,
) -> (usize, u64, usize, BTreeSet<T>) {
    let (mut executions, mut blocked, mut outcomes) = (0, 0, BTreeSet::new());
    let mut search = Search::new();
    let nothing = Outcome {
        read: 0,
        written: None,
        choice: 0,
        from: None,
        id: EventId {
            thread: 0,
            index: 0,
        },
    };
    let mut stacks = Vec::new();
    while search.begin() {
        for value in initial {
            search.object(*value, 64);
        }
        let mut fibers: Vec<(Fiber, Op)> = Vec::new();
        let mut ended = BTreeSet::new();
        let end = loop {
            let mut next: Vec<(usize, Op)> = fibers
                .iter()
                .enumerate()
                .filter(|(place, _)| !ended.contains(place))
                .map(|(place, (_, op))| (place + 1, *op))
                .collect();
            if fibers.len() < threads.len() {
                next.push((0, Op::Spawn { thread: 0 }));
            }
            let turn = match search.turn(&next) {
                Ok(turn) => turn,
                Err(end) => break end,
            };
            let op = next.iter().find(|(thread, _)| *thread == turn).unwrap().1;
            let outcome = search.perform(turn, op).unwrap();
            let place = match turn {
                0 => {
                    let stack = stacks.pop().unwrap_or_default();
                    let body = threads[fibers.len()];
                    // SAFETY: the coroutine ends, or is given up, before this run does.
                    let body: &'static dyn Fn(&Thread<'_>) = unsafe { std::mem::transmute(body) };
                    let fiber = Coroutine::with_stack(stack, move |yielder: &Yielder<_, _>, _| {
                        body(&Thread(yielder));
                    });
                    fibers.push((fiber, op));
                    fibers.len() - 1
                }
                turn => turn - 1,
            };
            let resumed = fibers[place]
                .0
                .resume(if turn == 0 { nothing } else { outcome });
            match resumed {
                CoroutineResult::Yield(op) => fibers[place].1 = op,
                CoroutineResult::Return(()) => {
                    search.ended(place + 1);
                    ended.insert(place);
                }
            }
        };
        for (mut fiber, _) in fibers {
            if !fiber.done() {
                // SAFETY: nothing on its stack needs a destructor.
                unsafe { fiber.force_reset() };
            }
            stacks.push(fiber.into_stack());
        }
        if end != End::Repeated {
            executions += 1;
            blocked += usize::from(end == End::Blocked);
            outcomes.insert(outcome());
        }
    }
    (executions, search.runs(), blocked, outcomes)
}

#[test]
fn counters_have_as_many_executions_as_orders() {
    let three = |thread: &Thread<'_>| {
        for _ in 0..3 {
            thread.update(0, Change::Add(1), Guard::Always);
        }
    };
    let (executions, runs, blocked, _) = explore(&[0], &[&three, &three, &three], || ());
    assert_eq!((executions, runs, blocked), (1_680, 1_680, 0));
}

#[test]
fn a_lost_wake_up_is_a_thread_that_waits_for_ever() {
    // A shelf (location 0) and a bell that only wakes those who already wait (location 1).
    let takes = |thread: &Thread<'_>| {
        let look = Op::Load {
            at: 0,
            order: SeqCst,
            when: Guard::Always,
        };
        if thread.does(look).read == 0 {
            thread.update(1, Change::Or(1), Guard::Always);
            thread.update(1, Change::Or(0), Guard::Without(1));
        }
    };
    let puts = |thread: &Thread<'_>| {
        thread.does(Op::Store {
            at: 0,
            value: 1,
            order: SeqCst,
        });
        thread.update(1, Change::TakeBit, Guard::Always);
    };
    let (executions, _, blocked, _) = explore(&[0, 0], &[&takes, &puts], || ());
    assert_eq!((executions, blocked), (3, 1));
}

#[test]
fn a_message_is_seen_whole_if_the_flag_is_released_and_acquired() {
    let outcomes = |store, load| {
        let seen = Rc::new(Cell::new(None));
        let theirs = Rc::clone(&seen);
        let sends = move |thread: &Thread<'_>| {
            for (at, order) in [(0, Relaxed), (1, store)] {
                thread.does(Op::Store {
                    at,
                    value: 1,
                    order,
                });
            }
        };
        let waits = move |thread: &Thread<'_>| {
            thread.does(Op::Load {
                at: 1,
                order: load,
                when: Guard::Differs(0),
            });
            let data = thread.does(Op::Load {
                at: 0,
                order: Relaxed,
                when: Guard::Always,
            });
            theirs.set(Some(data.read));
        };
        explore(&[0, 0], &[&sends, &waits], || seen.take()).3
    };
    assert_eq!(outcomes(Release, Acquire), BTreeSet::from([Some(1)]));
    assert_eq!(
        outcomes(Relaxed, Acquire),
        BTreeSet::from([Some(0), Some(1)])
    );
    assert_eq!(
        outcomes(Release, Relaxed),
        BTreeSet::from([Some(0), Some(1)])
    );
}

#[test]
fn two_consumers_share_a_bounded_buffer() {
    // A lock (0), the number of items (1), what each consumer got.
    let got = Rc::new(RefCell::new(Vec::new()));
    let lock = |thread: &Thread<'_>| thread.update(0, Change::Swap(1), Guard::Equals(0));
    let unlock = |thread: &Thread<'_>| thread.update(0, Change::Swap(0), Guard::Always);
    let produces = |thread: &Thread<'_>| {
        for _ in 0..2 {
            thread.update(1, Change::Add(1), Guard::Below(1));
        }
    };
    let consumer = |name: &'static str| {
        let got = Rc::clone(&got);
        move |thread: &Thread<'_>| {
            thread.update(1, Change::Add(u64::MAX), Guard::AtLeast(1));
            lock(thread);
            got.borrow_mut().push(name);
            unlock(thread);
        }
    };
    let (first, second) = (consumer("b"), consumer("c"));
    let (executions, runs, blocked, outcomes) =
        explore(&[0, 0], &[&produces, &first, &second], || got.take());
    // Whoever takes first, and whoever writes first.
    assert_eq!((executions, blocked), (4, 0));
    assert_eq!(outcomes, BTreeSet::from([vec!["b", "c"], vec!["c", "b"]]));
    assert!(runs <= 6, "{runs} runs for 4 executions");
}
