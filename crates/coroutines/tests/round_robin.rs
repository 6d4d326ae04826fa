//! What the scheduler of fibers promises.

use std::cell::{Cell, RefCell};
use std::panic::panic_any;
use std::rc::Rc;

use coroutines::round_robin::{Deadlock, JoinHandle, RoundRobin};

#[test]
fn fibers_take_turns_in_the_order_of_their_coming() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let mut fibers = RoundRobin::new();
    for id in 0..3 {
        let log = Rc::clone(&log);
        fibers
            .spawn(move |turn| {
                for round in 0..=id {
                    log.borrow_mut().push((round, id));
                    turn.yield_now();
                }
            })
            .unwrap();
    }
    fibers.run().unwrap();
    assert_eq!(
        *log.borrow(),
        [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    );
}

#[test]
fn a_fiber_spawned_in_a_fiber_runs_and_is_joined() {
    let mut fibers = RoundRobin::new();
    let sum = fibers
        .spawn(|turn| {
            let parts: Vec<_> = (1..=10)
                .map(|n| {
                    turn.spawn(move |turn| {
                        turn.yield_now();
                        n * n
                    })
                    .unwrap()
                })
                .collect();
            let joined = parts.into_iter().map(|part| turn.join(part).unwrap());
            joined.sum::<i32>()
        })
        .unwrap();
    assert!(!sum.is_finished());
    fibers.run().unwrap();
    assert!(sum.is_finished());
    assert_eq!(sum.into_result().unwrap().unwrap(), 385);
}

#[test]
fn who_joins_does_not_take_turns_until_the_other_has_ended() {
    let mut fibers = RoundRobin::new();
    let worker = fibers
        .spawn(|turn| (0..1000).for_each(|_| turn.yield_now()))
        .unwrap();
    fibers
        .spawn(move |turn| turn.join(worker).unwrap())
        .unwrap();
    fibers.run().unwrap();
    assert_eq!(fibers.turns(), 1001 + 2);
}

#[test]
fn a_panic_ends_one_fiber_and_is_told_to_who_joins_it() {
    let mut fibers = RoundRobin::new();
    let fails = fibers.spawn(|_| panic_any("it failed")).unwrap();
    let told = fibers
        .spawn(|turn| {
            let payload = turn.join(fails).unwrap_err();
            *payload.downcast::<&str>().unwrap()
        })
        .unwrap();
    let works = fibers.spawn(|_| 7).unwrap();
    fibers.run().unwrap();
    assert_eq!(told.into_result().unwrap().unwrap(), "it failed");
    assert_eq!(works.into_result().unwrap().unwrap(), 7);
}

#[test]
fn fibers_that_join_one_another_are_a_deadlock_and_are_unwound() {
    type Handle = Rc<RefCell<Option<JoinHandle<()>>>>;
    let (first, second) = (Handle::default(), Handle::default());
    let alive = Rc::new(());
    let mut fibers = RoundRobin::new();
    for (own, other) in [(&first, &second), (&second, &first)] {
        let (other, held) = (Rc::clone(other), Rc::clone(&alive));
        let spawned = fibers.spawn(move |turn| {
            let _held = held;
            let other = other.take().unwrap();
            turn.join(other).unwrap();
        });
        *own.borrow_mut() = Some(spawned.unwrap());
    }
    let error = fibers.run().unwrap_err();
    assert_eq!(error, Deadlock { waiting: 2 });
    assert!(error.to_string().contains("2 fiber(s)"));
    assert_eq!(Rc::strong_count(&alive), 3);
    drop(fibers);
    assert_eq!(Rc::strong_count(&alive), 1);
}

#[test]
fn a_dropped_scheduler_unwinds_its_fibers_and_they_may_still_call_it() {
    struct Spawns<'t>(&'t coroutines::round_robin::Turn<'t>, Rc<Cell<bool>>);
    impl Drop for Spawns<'_> {
        fn drop(&mut self) {
            self.1.set(self.0.spawn(|_| ()).is_ok());
        }
    }
    let spawned = Rc::new(Cell::new(false));
    let ours = Rc::clone(&spawned);
    let mut fibers = RoundRobin::new();
    let never = Rc::new(RefCell::new(None));
    let handle = Rc::clone(&never);
    let waits = fibers
        .spawn(move |turn| {
            let _spawns = Spawns(turn, ours);
            let own: JoinHandle<()> = handle.take().unwrap();
            turn.join(own).unwrap();
        })
        .unwrap();
    *never.borrow_mut() = Some(waits);
    assert_eq!(fibers.run(), Err(Deadlock { waiting: 1 }));
    drop(fibers);
    assert!(spawned.get());
}

#[test]
fn stacks_are_used_again() {
    let stacks = Rc::new(RefCell::new(Vec::new()));
    let mut fibers = RoundRobin::new();
    for _ in 0..10 {
        let stacks = Rc::clone(&stacks);
        fibers
            .spawn(move |_| {
                let local = 0_u8;
                stacks.borrow_mut().push((&raw const local).addr());
            })
            .unwrap();
        fibers.run().unwrap();
    }
    let stacks = stacks.borrow();
    assert!(
        stacks.iter().all(|stack| *stack == stacks[0]),
        "{stacks:x?}"
    );
}

#[test]
fn a_scheduler_can_be_run_again() {
    let mut fibers = RoundRobin::new();
    assert_eq!(fibers.run(), Ok(()));
    let first = fibers.spawn(|_| 1).unwrap();
    fibers.run().unwrap();
    let second = fibers.spawn(|_| 2).unwrap();
    fibers.run().unwrap();
    assert_eq!(first.into_result().unwrap().unwrap(), 1);
    assert_eq!(second.into_result().unwrap().unwrap(), 2);
}
