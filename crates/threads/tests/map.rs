//! The scoped map.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use sync::Barrier;
use threads::{map, message_of};

#[test]
fn results_come_in_the_order_of_the_items() {
    for workers in [0, 1, 2, 7] {
        let squares = map(workers, 0..1_000_u64, |n| n * n);
        assert!(squares.into_iter().eq((0..1_000).map(|n| n * n)));
    }
    assert_eq!(map(3, Vec::<u8>::new(), |n| n), []);
}

#[test]
fn four_items_can_be_in_work_at_once() {
    let all_there = Barrier::new(4); // one after the other they would wait for ever
    let results = map(4, 0..4, |n| {
        all_there.wait();
        n
    });
    assert_eq!(results, [0, 1, 2, 3]);
}

#[test]
fn no_more_threads_than_workers_are_used_and_the_caller_is_one() {
    let seen = Mutex::new(HashSet::new());
    let both = Barrier::new(2);
    map(2, 0..100, |_| {
        seen.lock().unwrap().insert(thread::current().id());
        both.wait();
    });
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() == 2 && seen.contains(&thread::current().id()));

    let thread = map(1, [()], |()| thread::current().id());
    assert_eq!(thread, [thread::current().id()]);
}

#[test]
fn items_and_results_may_be_borrowed() {
    let words = vec!["one".to_owned(), "two".to_owned()];
    let parts: Vec<&str> = map(2, &words, |word| &word[..1]);
    assert_eq!(parts, ["o", "t"]);
}

#[test]
fn an_iterator_is_asked_for_an_item_only_when_a_worker_is_free() {
    let (taken, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let items = (0..100).inspect(|_| {
        let ahead = taken.fetch_add(1, Relaxed) + 1 - done.load(Relaxed);
        assert!(
            ahead <= 3,
            "{ahead} items were taken before they were needed"
        );
    });
    map(3, items, |_| done.fetch_add(1, Relaxed));
}

#[test]
fn a_panic_reaches_the_caller_with_its_payload_and_the_rest_is_not_begun() {
    for workers in [1, 3] {
        let begun = AtomicUsize::new(0);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            map(workers, 0..usize::MAX, |n| {
                begun.fetch_add(1, Relaxed);
                if n == 5 {
                    std::panic::resume_unwind(Box::new(String::from("item 5")));
                }
            })
        }));
        assert_eq!(message_of(&*caught.unwrap_err()), "item 5");
        assert!(begun.load(Relaxed) >= 6);
    }
}

#[test]
fn a_panic_of_the_iterator_reaches_the_caller_too() {
    let items = (0..10).inspect(|n| {
        if *n == 3 {
            std::panic::resume_unwind(Box::new("no item"));
        }
    });
    let caught = catch_unwind(AssertUnwindSafe(|| map(2, items, |n| n)));
    assert_eq!(message_of(&*caught.unwrap_err()), "no item");
}

#[test]
fn every_item_and_every_result_is_dropped_once() {
    struct Counted<'a>(&'a AtomicUsize);
    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }
    let dropped = AtomicUsize::new(0);
    let items: Vec<_> = (0..10).map(|_| Counted(&dropped)).collect();
    let results = map(3, items, |item| item);
    assert_eq!((results.len(), dropped.load(Relaxed)), (10, 0));
    let caught = catch_unwind(AssertUnwindSafe(|| {
        map(3, results, |item| -> Counted<'_> {
            let _dropped_by_the_panic = item;
            std::panic::resume_unwind(Box::new(()))
        })
    }));
    assert!(caught.is_err());
    assert_eq!(dropped.load(Relaxed), 10);
}
