//! An `Rc` counts its owners without synchronization, so it may not go to another thread.
//! Errors: E0277

use std::rc::Rc;
use std::thread;

pub fn shared_with_a_thread() {
    let list = Rc::new(vec![1, 2, 3]);
    let same = Rc::clone(&list);
    let thread = thread::spawn(move || same.len());
    println!("{} and {:?}", list.len(), thread.join());
}
