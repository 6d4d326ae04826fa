//! A pop that compares and exchanges, with a version beside the node.

use interleave::std::sync::Arc;
use interleave::std::sync::atomic::{AtomicU32, Ordering::SeqCst};

// ANCHOR: shown
/// The top: a version, and the number of a node.
const fn top(version: u32, node: u32) -> u32 {
    version * 10 + node
}

/// A takes the node on top.
fn pop(stack: &AtomicU32, below_1: &AtomicU32) {
    loop {
        let seen = stack.load(SeqCst);
        let below = match seen % 10 {
            1 => below_1.load(SeqCst),
            _ => 0,
        };
        let new = top(seen / 10, below);
        if stack.compare_exchange(seen, new, SeqCst, SeqCst).is_ok() {
            return;
        }
    }
}

/// B takes the whole stack. It puts node 1 back.
fn keep_2(stack: &AtomicU32, below_1: &AtomicU32) {
    let taken = stack.swap(top(1, 0), SeqCst) % 10;
    if taken == 1 {
        below_1.store(0, SeqCst);
        stack.store(top(2, 1), SeqCst);
    }
}

/// When both are done: B has node 2 in any case.
fn check(stack: u32) {
    assert!(stack % 10 != 2, "node 2 is on the stack, and B has it");
}
// ANCHOR_END: shown

pub(crate) fn play() {
    // Node 1 lies on node 2.
    let stack = Arc::new((AtomicU32::new(top(0, 1)), AtomicU32::new(2)));
    let (theirs, own) = (Arc::clone(&stack), Arc::clone(&stack));
    super::both(
        move || keep_2(&theirs.0, &theirs.1),
        move || pop(&own.0, &own.1),
    );
    check(stack.0.load(SeqCst));
}
