//! A question of chapter 6: in which order do two fibers print?

use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;

use coroutines::round_robin::RoundRobin;

fn main() -> Result<(), Box<dyn Error>> {
    let printed = Rc::new(RefCell::new(Vec::new()));
    // ANCHOR: fibers
    let mut fibers = RoundRobin::new();
    for (first, second) in [("1", "2"), ("3", "4")] {
        let printed = Rc::clone(&printed);
        fibers.spawn(move |turn| {
            printed.borrow_mut().push(first);
            turn.yield_now();
            printed.borrow_mut().push(second);
        })?;
    }
    fibers.run()?;
    // ANCHOR_END: fibers
    println!("{}", printed.borrow().join(" "));
    Ok(())
}
