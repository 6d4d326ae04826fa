//! The monitor of the lessons: a bounded buffer between a producer and a consumer.

use std::collections::VecDeque;
use std::thread;

use sync::{Condvar, Monitor};

/// What the producer and the consumer wait for. With one condition for both, a notification could
/// wake the wrong thread.
#[derive(Default)]
struct Conditions {
    not_empty: Condvar,
    not_full: Condvar,
}

/// A shelf with room for `room` items.
struct Shelf {
    room: usize,
    monitor: Monitor<VecDeque<u32>, Conditions>,
}

impl Shelf {
    fn put(&self, item: u32) {
        let mut items = self.monitor.enter();
        items.wait_while(|c| &c.not_full, |items| items.len() == self.room);
        items.push_back(item);
        assert!(items.len() <= self.room);
        items.notify_one(|c| &c.not_empty);
    }

    fn take(&self) -> u32 {
        let mut items = self.monitor.enter();
        loop {
            // `wait_while` checks again after each wake-up: another consumer may have been faster.
            items.wait_while(|c| &c.not_empty, |items| items.is_empty());
            if let Some(item) = items.pop_front() {
                items.notify_one(|c| &c.not_full);
                return item;
            }
        }
    }
}

fn main() {
    let shelf = Shelf {
        room: 2,
        monitor: Monitor::with_conditions(VecDeque::new(), Conditions::default()),
    };
    thread::scope(|scope| {
        scope.spawn(|| (1..=6).for_each(|item| shelf.put(item)));
        for _ in 1..=6 {
            println!("got {}", shelf.take());
        }
    });
    println!("the shelf of {} was never overfull", shelf.room);
}
