//! The answers to the book's self-test on Rust: each snippet runs, and its answer is asserted.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::num::ParseIntError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

// ANCHOR: lifetimes
/// A thread that runs for as long as it likes may keep this value.
fn keep_for_ever<T: Any + Send + 'static>(value: T) -> Box<dyn Any + Send> {
    Box::new(value)
}

fn a_fresh_string() -> Box<dyn Any + Send> {
    let word = String::from("milk") + " and bread";
    keep_for_ever(word)
}
// ANCHOR_END: lifetimes

fn closures() -> Vec<&'static str> {
    // ANCHOR: closures
    let mut shelf = vec!["milk"];
    let count = || shelf.len();
    assert_eq!(count() + count(), 2);

    let mut add = |item| shelf.push(item);
    add("bread");
    add("cheese");

    let give_away = move || shelf;
    // ANCHOR_END: closures
    give_away()
}

fn copied() -> u32 {
    // ANCHOR: copied
    let mut count = 0;
    let mut add_one = move || {
        count += 1;
        count
    };
    add_one();
    add_one();
    // ANCHOR_END: copied
    count
}

// ANCHOR: generics
/// Calls each job once, and takes two kinds of closures in one queue.
fn run(mut jobs: VecDeque<Box<dyn FnOnce() -> usize + Send>>) -> usize {
    let mut sum = 0;
    while let Some(job) = jobs.pop_front() {
        sum += job();
    }
    sum
}

fn two_kinds_of_jobs() -> usize {
    let word = String::from("milk");
    let numbers = [1, 2, 3];
    run(VecDeque::from([
        Box::new(move || word.len()) as Box<dyn FnOnce() -> usize + Send>,
        Box::new(move || numbers.len()),
    ]))
}
// ANCHOR_END: generics

// ANCHOR: question
fn sum_of_two(text: &str) -> Result<u32, ParseIntError> {
    let mut sum = 0;
    for word in text.split(' ') {
        sum += word.parse::<u32>()?;
    }
    Ok(sum)
}
// ANCHOR_END: question

/// A roommate who says when they leave.
struct Roommate<'a>(&'static str, &'a RefCell<Vec<&'static str>>);

impl Drop for Roommate<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

// ANCHOR: drops
/// When a `Roommate` is dropped, it writes its name into the list.
fn three_roommates(list: &RefCell<Vec<&'static str>>) {
    let _ada = Roommate("Ada", list);
    let ben = Roommate("Ben", list);
    let _eve = Roommate("Eve", list);
    drop(ben);
}
// ANCHOR_END: drops

// ANCHOR: panics
fn faints() {
    panic!("no milk");
}

fn a_roommate_and_a_panic(list: &RefCell<Vec<&'static str>>) {
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _ada = Roommate("Ada", list);
        list.borrow_mut().push("before");
        faints();
        list.borrow_mut().push("after");
    }));
    assert!(caught.is_err());
    list.borrow_mut().push("caught");
}
// ANCHOR_END: panics

fn pointers() -> (usize, usize) {
    // ANCHOR: pointers
    let list = Arc::new(vec![1, 2, 3]);
    let same = Arc::clone(&list);
    let thread = thread::spawn(move || same.len());
    let lengths = (
        list.len(),
        thread.join().expect("the thread does not panic"),
    );
    // ANCHOR_END: pointers
    lengths
}

// ANCHOR: send
fn may_move_to_another_thread<T: Send>() {}
fn may_be_shared_by_threads<T: Sync>() {}

fn what_the_compiler_accepts() {
    may_move_to_another_thread::<Cell<u32>>();
    may_move_to_another_thread::<Arc<u32>>();
    may_be_shared_by_threads::<Arc<u32>>();
    may_be_shared_by_threads::<std::sync::MutexGuard<u32>>();
}
// ANCHOR_END: send

// ANCHOR: unsafe
fn last(numbers: &[u32]) -> Option<u32> {
    let index = numbers.len().checked_sub(1)?;
    // SAFETY: `index` is less than `numbers.len()`, because it is one less.
    Some(unsafe { *numbers.get_unchecked(index) })
}
// ANCHOR_END: unsafe

fn main() {
    // The panic below is caught; its message would only disturb.
    std::panic::set_hook(Box::new(|_| ()));

    let kept = a_fresh_string();
    println!("lifetimes: {:?}", kept.downcast_ref::<String>());

    println!("closures: {:?}", closures());

    println!("copied: {}", copied());
    println!("generics: {}", two_kinds_of_jobs());
    println!(
        "question: {:?}, {:?}",
        sum_of_two("2 3"),
        sum_of_two("2 x 3")
    );

    let list = Rc::new(RefCell::new(Vec::new()));
    three_roommates(&list);
    println!("drops: {:?}", list.take());
    a_roommate_and_a_panic(&list);
    println!("panics: {:?}", list.take());

    println!("pointers: {:?}", pointers());
    what_the_compiler_accepts();
    println!("unsafe: {:?}, {:?}", last(&[1, 2, 3]), last(&[]));
}
