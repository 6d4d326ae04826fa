//! A condition variable, and an `if` around the wait.

use interleave::std::sync::{Arc, Condvar, Mutex};

// ANCHOR: shown
/// A puts a plate on the shelf, takes it back, and puts it there for good.
fn put(plates: &Mutex<u32>, arrived: &Condvar) {
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
fn take(plates: &Mutex<u32>, arrived: &Condvar) {
    let mut left = plates.lock().unwrap();
    if *left == 0 {
        left = arrived.wait(left).unwrap();
    }
    assert!(*left == 1, "B takes a plate from an empty shelf");
    *left = 0;
}
// ANCHOR_END: shown

pub(crate) fn play() {
    let shelf = Arc::new((Mutex::new(0), Condvar::new()));
    let theirs = Arc::clone(&shelf);
    super::both(
        move || take(&theirs.0, &theirs.1),
        move || put(&shelf.0, &shelf.1),
    );
}
