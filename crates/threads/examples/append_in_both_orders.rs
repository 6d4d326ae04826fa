//! Two threads append the squares of 1 and 2 to one list. The program lets them do it in each order
//! that the lock allows, and prints the list each time.

use std::thread;

use sync::{Monitor, Mutex};

fn main() {
    for first in [1, 2] {
        let list = Mutex::new(Vec::new());
        let turn = Monitor::new(first);
        thread::scope(|scope| {
            for number in [1, 2] {
                let (list, turn) = (&list, &turn);
                scope.spawn(move || {
                    drop(turn.enter_when_not(|turn| *turn != number));
                    list.lock().push(number * number);
                    turn.update(|turn| *turn = 3 - number);
                });
            }
        });
        println!("{:?}", list.into_inner());
    }
}
