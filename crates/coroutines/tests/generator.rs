//! What a generator promises.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;

use coroutines::generator::Generator;

#[test]
fn the_body_runs_only_as_far_as_it_is_asked() {
    let made = Rc::new(Cell::new(0));
    let counted = Rc::clone(&made);
    let mut numbers = Generator::new(move |items| {
        for n in 0.. {
            counted.set(counted.get() + 1);
            items.give(n);
        }
    })
    .unwrap();
    assert_eq!(made.get(), 0);
    assert_eq!(numbers.by_ref().take(3).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(made.get(), 3);
}

#[test]
fn after_the_end_there_is_nothing_again_and_again() {
    let mut one = Generator::new(|items| items.give("one")).unwrap();
    assert_eq!(one.next(), Some("one"));
    assert_eq!(one.next(), None);
    assert_eq!(one.next(), None);
}

#[test]
fn a_generator_dropped_half_way_runs_the_destructors_of_its_body() {
    let token = Rc::new(());
    let theirs = Rc::clone(&token);
    let mut items = Generator::new(move |items| {
        let _theirs = theirs;
        items.give(1);
        items.give(2);
    })
    .unwrap();
    assert_eq!(items.next(), Some(1));
    drop(items);
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn the_bodys_panic_reaches_the_caller_of_next() {
    let mut items = Generator::new(|items| {
        items.give(1);
        panic_any("no more");
    })
    .unwrap();
    assert_eq!(items.next(), Some(1));
    let panic = catch_unwind(AssertUnwindSafe(|| items.next())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"no more"));
    assert_eq!(items.next(), None);
}
