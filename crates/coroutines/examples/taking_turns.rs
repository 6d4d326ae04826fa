//! Fibers taking turns: three roommates share one kitchen, on one thread.
//!
//! Each fiber runs until it yields. The scheduler never preempts a fiber, so
//! the order is the same in every run, and a counter that all fibers change
//! needs no lock.

use std::cell::Cell;
use std::rc::Rc;

use coroutines::round_robin::RoundRobin;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dishes = Rc::new(Cell::new(0));
    let mut fibers = RoundRobin::new();
    for (name, steps) in [("Ada", 3), ("Ben", 1), ("Cyd", 2)] {
        let dishes = Rc::clone(&dishes);
        fibers.spawn(move |turn| {
            for step in 1..=steps {
                dishes.set(dishes.get() + 1);
                println!("{name} cooks, step {step} of {steps}");
                turn.yield_now();
            }
            println!("{name} is done");
        })?;
    }
    fibers.run()?;
    println!(
        "{} steps in {} turns, one thread",
        dishes.get(),
        fibers.turns()
    );
    Ok(())
}
