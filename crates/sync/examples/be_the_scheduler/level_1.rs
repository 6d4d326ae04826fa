//! A load and a store.

use interleave::std::sync::Arc;
use interleave::std::sync::atomic::{AtomicU32, Ordering::SeqCst};

// ANCHOR: shown
/// A and B
fn add_one(counter: &AtomicU32) {
    let seen = counter.load(SeqCst);
    counter.store(seen + 1, SeqCst);
}

/// When both are done
fn check(counter: &AtomicU32) {
    let total = counter.load(SeqCst);
    assert!(total == 2, "an update is lost: the counter is {total}");
}
// ANCHOR_END: shown

pub(crate) fn play() {
    let counter = Arc::new(AtomicU32::new(0));
    let theirs = Arc::clone(&counter);
    super::both(move || add_one(&theirs), {
        let counter = Arc::clone(&counter);
        move || add_one(&counter)
    });
    check(&counter);
}
