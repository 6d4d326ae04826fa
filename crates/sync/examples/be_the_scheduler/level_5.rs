//! A condition variable, and an `if` around the wait.

use interleave::std::sync::Arc;

use super::noting::{Condvar, Mutex};

// ANCHOR: shown
/// A puts a plate on the shelf. If it is still there,
/// A takes it back, and puts it there once more.
fn put(plates: &Mutex, arrived: &Condvar) {
    *plates.lock().unwrap() += 1;
    arrived.notify_one();
    let mut left = plates.lock().unwrap();
    if *left == 1 {
        *left = 0;
        drop(left);
        *plates.lock().unwrap() += 1;
        arrived.notify_one();
    }
}

/// B waits until there is a plate, and takes it.
/// Returns how many there were.
fn take(plates: &Mutex, arrived: &Condvar) -> u32 {
    let mut left = plates.lock().unwrap();
    if *left == 0 {
        left = arrived.wait(left).unwrap();
    }
    std::mem::take(&mut *left)
}

/// When both are done
fn check(taken: u32) {
    assert!(taken == 1, "B took a plate from an empty shelf");
}
// ANCHOR_END: shown

pub(crate) fn play() {
    let shelf = Arc::new((Mutex::new(0), Condvar::new()));
    let theirs = Arc::clone(&shelf);
    let (taken, ()) = super::both(
        move || take(&theirs.0, &theirs.1),
        move || put(&shelf.0, &shelf.1),
    );
    check(taken);
}
