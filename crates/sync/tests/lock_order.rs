//! The lock-order checker.

use std::sync::Arc;
use std::thread;

use sync::{LockOrder, OrderedMutex};

fn locks<const N: usize>(order: &LockOrder, names: [&str; N]) -> [OrderedMutex<u32>; N] {
    names.map(|name| order.mutex(name, 0))
}

/// Takes them one under the other, and says what was said of the last.
fn nested(locks: &[&OrderedMutex<u32>]) -> Result<(), sync::OrderViolation> {
    let mut guards = Vec::new();
    for lock in locks {
        guards.push(lock.lock()?);
    }
    Ok(())
}

fn names(refused: &sync::OrderViolation) -> Vec<(&str, &str)> {
    let circle = refused.circle().iter();
    circle
        .map(|arrow| (arrow.holding.as_str(), arrow.taken.as_str()))
        .collect()
}

#[test]
fn two_locks_in_both_orders_are_refused() {
    let [a, b] = locks(&LockOrder::new(), ["a", "b"]);
    nested(&[&a, &b]).unwrap();
    let refused = nested(&[&b, &a]).unwrap_err();
    assert_eq!(names(&refused), [("a", "b"), ("b", "a")]);
    let text = refused.to_string();
    assert!(text.contains("can deadlock: `a` → `b` → `a`"), "{text}");
    assert!(text.contains("this thread has held `b` since"), "{text}");
    assert!(text.contains("`b` was taken under `a` at"), "{text}");
    assert!(text.matches(file!()).count() == 3, "three places: {text}");
}

#[test]
fn a_circle_of_any_length_is_found_although_no_two_threads_met() {
    let order = LockOrder::new();
    let locks: Vec<_> = (0..20).map(|n| order.mutex(format!("{n}"), n)).collect();
    thread::scope(|scope| {
        for pair in locks.windows(2) {
            scope
                .spawn(|| nested(&[&pair[0], &pair[1]]).unwrap())
                .join()
                .unwrap();
        }
    });
    let refused = nested(&[&locks[19], &locks[0]]).unwrap_err();
    assert_eq!(refused.circle().len(), 20);
    nested(&[&locks[3], &locks[15]]).unwrap(); // a short cut in the same direction
    let refused = nested(&[&locks[19], &locks[0]]).unwrap_err();
    assert_eq!(refused.circle().len(), 9, "the shortest circle is told");
}

#[test]
fn what_is_refused_is_not_remembered() {
    let [a, b, c] = locks(&LockOrder::new(), ["a", "b", "c"]);
    nested(&[&a, &b]).unwrap();
    for _ in 0..2 {
        nested(&[&b, &a]).unwrap_err();
    }
    nested(&[&a, &b]).unwrap();
    nested(&[&b, &c]).unwrap();
    assert!(a.try_lock().is_some() && b.try_lock().is_some());
}

#[test]
fn an_order_without_a_circle_is_no_false_alarm() {
    // Every way down through this, several times, and releases in odd orders.
    let [top, left, right, bottom] = locks(&LockOrder::new(), ["top", "left", "right", "bottom"]);
    for _ in 0..2 {
        nested(&[&top, &left, &bottom]).unwrap();
        nested(&[&top, &right, &bottom]).unwrap();
        nested(&[&left, &right]).unwrap();
        nested(&[&top, &bottom]).unwrap();
        let first = top.lock().unwrap();
        let second = left.lock().unwrap();
        drop(first);
        let third = right.lock().unwrap();
        drop(second);
        let fourth = bottom.lock().unwrap();
        drop((third, fourth));
    }
    // One after the other is no nesting.
    drop(bottom.lock().unwrap());
    drop(top.lock().unwrap());
}

#[test]
fn the_same_lock_twice_is_refused_instead_of_waited_for() {
    let [a, b] = locks(&LockOrder::new(), ["a", "b"]);
    let _held = a.lock().unwrap();
    let _other = b.lock().unwrap();
    let refused = a.lock().unwrap_err();
    assert_eq!(names(&refused), [("a", "a")]);
    let text = refused.to_string();
    assert!(
        text.contains("would wait for ever: this thread has held it since"),
        "{text}"
    );
}

#[test]
fn who_only_tries_may_do_so_in_any_order() {
    let [a, b] = locks(&LockOrder::new(), ["a", "b"]);
    nested(&[&a, &b]).unwrap();
    let held = b.lock().unwrap();
    assert!(
        a.try_lock().is_some(),
        "it cannot wait, so it cannot deadlock"
    );
    assert!(b.try_lock().is_none());
    drop(held);
    // But what is tried is held, and others come after it.
    let held = b.try_lock().unwrap();
    assert!(a.lock().is_err());
    drop(held);
}

#[test]
fn families_know_nothing_of_each_other() {
    let [a] = locks(&LockOrder::new(), ["a"]);
    let [b] = locks(&LockOrder::new(), ["b"]);
    nested(&[&a, &b]).unwrap();
    nested(&[&b, &a]).unwrap();
}

#[test]
fn a_lock_that_is_gone_is_in_no_circle() {
    let order = LockOrder::new();
    let [a, c] = locks(&order, ["a", "c"]);
    {
        let [b] = locks(&order, ["b"]);
        nested(&[&a, &b]).unwrap();
        nested(&[&b, &c]).unwrap();
    }
    nested(&[&c, &a]).unwrap();
}

#[test]
fn a_panic_releases_what_was_held() {
    let order = LockOrder::new();
    let [a, b] = locks(&order, ["a", "b"]).map(Arc::new);
    let theirs = (Arc::clone(&a), Arc::clone(&b));
    let panicked = thread::spawn(move || {
        let _first = theirs.0.lock().unwrap();
        let _second = theirs.1.lock().unwrap();
        std::panic::resume_unwind(Box::new(()));
    })
    .join();
    assert!(panicked.is_err());
    nested(&[&a, &b]).unwrap();
    nested(&[&b, &a]).unwrap_err();
}
