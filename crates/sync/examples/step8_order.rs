//! Step 8 of the chapter: two locks. In opposite orders they deadlock under some schedule; in one
//! order they never do.

mod explored;

use explored::{explorer, timeline, verdict};

interleave::in_worlds! {
    shuttled = crate;

    use std::sync::Mutex;

    // ANCHOR: carry
    /// Moves an item. It first locks where the item is, then where it goes.
    pub fn carry(from: &Mutex<u32>, to: &Mutex<u32>) {
        let mut from = from.lock().unwrap();
        let mut to = to.lock().unwrap();
        *from -= 1;
        *to += 1;
    }
    // ANCHOR_END: carry

    // ANCHOR: in_order
    /// Moves an item. It always locks the mutex with the lower address first.
    pub fn carry_in_order(from: &Mutex<u32>, to: &Mutex<u32>) {
        let kitchen_first = std::ptr::from_ref(from) < std::ptr::from_ref(to);
        let (first, second) = if kitchen_first { (from, to) } else { (to, from) };
        let (first, second) = (first.lock().unwrap(), second.lock().unwrap());
        let (mut from, mut to) =
            if kitchen_first { (first, second) } else { (second, first) };
        *from -= 1;
        *to += 1;
    }
    // ANCHOR_END: in_order

    /// One thread carries an item to the bathroom while another one carries an item back.
    pub fn to_and_fro(carry: fn(&Mutex<u32>, &Mutex<u32>)) {
        let rooms = Arc::new([Mutex::new(3), Mutex::new(3)]);
        let theirs = Arc::clone(&rooms);
        let other = thread::spawn(move || carry(&theirs[1], &theirs[0]));
        carry(&rooms[0], &rooms[1]);
        _ = other.join();
    }
}

fn main() {
    let found = explorer().schedules_of(|| shuttled::to_and_fro(shuttled::carry));
    verdict("first the one that gives, then the one that gets", &found);
    timeline(&found);
    let found = explorer().schedules_of(|| shuttled::to_and_fro(shuttled::carry_in_order));
    verdict("always the one with the lower address first", &found);
}
