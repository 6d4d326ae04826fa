//! A step that cannot be divided, and another one.

use interleave::std::sync::Arc;
use interleave::std::sync::atomic::{AtomicU32, Ordering::SeqCst};

// ANCHOR: shown
/// A and B
fn take_ticket(last: &AtomicU32) -> u32 {
    last.fetch_add(1, SeqCst);
    last.load(SeqCst)
}

/// When both are done
fn check(a: u32, b: u32) {
    assert!(a != b, "both have ticket {a}");
}
// ANCHOR_END: shown

pub(crate) fn play() {
    let last = Arc::new(AtomicU32::new(0));
    let theirs = Arc::clone(&last);
    let (b, a) = super::both(move || take_ticket(&theirs), move || take_ticket(&last));
    check(a, b);
}
