//! Check, then act.

use interleave::std::sync::Arc;
use interleave::std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

// ANCHOR: shown
/// A and B
fn make_coffee_once(is_made: &AtomicBool, cups: &AtomicU32) {
    if !is_made.load(SeqCst) {
        cups.fetch_add(1, SeqCst);
        is_made.store(true, SeqCst);
    }
}

/// When both are done
fn check(cups: &AtomicU32) {
    let cups = cups.load(SeqCst);
    assert!(cups == 1, "{cups} cups of coffee for one guest");
}
// ANCHOR_END: shown

pub(crate) fn play() {
    let kitchen = Arc::new((AtomicBool::new(false), AtomicU32::new(0)));
    let (theirs, own) = (Arc::clone(&kitchen), Arc::clone(&kitchen));
    super::both(
        move || make_coffee_once(&theirs.0, &theirs.1),
        move || make_coffee_once(&own.0, &own.1),
    );
    check(&kitchen.1);
}
