//! A task that starves the others, and three ways to avoid that.
//!
//! One task counts a heartbeat whenever it gets a turn. Next to it, a worker
//! has 1,000 pieces of work to do. The executor never preempts the worker, so
//! only the worker decides how many heartbeats there are meanwhile.

use std::cell::Cell;
use std::rc::Rc;

use coroutines::budget::{self, yield_now};
use coroutines::executor::Executor;
use coroutines::round_robin::RoundRobin;

const PIECES: u32 = 1_000;

fn work() {
    std::hint::black_box((0..100).sum::<u32>());
}

/// Returns the number of heartbeats while `worker` runs.
fn beats_beside(worker: impl Future<Output = ()> + 'static) -> u32 {
    let executor = Executor::new();
    let beats = Rc::new(Cell::new(0));
    let count = Rc::clone(&beats);
    executor.spawn(async move {
        loop {
            count.set(count.get() + 1);
            yield_now().await;
        }
    });
    executor.block_on(worker);
    beats.get()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let greedy = beats_beside(async { (0..PIECES).for_each(|_| work()) });
    println!("{PIECES} pieces of work, never yielding: {greedy} heartbeat");

    let polite = beats_beside(async {
        for _ in 0..PIECES {
            work();
            yield_now().await;
        }
    });
    println!("yielding after each: {polite} heartbeats");

    let rarely = beats_beside(async {
        for piece in 1..=PIECES {
            work();
            if piece % 100 == 0 {
                yield_now().await;
            }
        }
    });
    println!("yielding after every hundredth: {rarely} heartbeats");

    let budgeted = beats_beside(async {
        for _ in 0..PIECES {
            budget::step().await; // pauses when the budget is used up
            work();
        }
    });
    let per_poll = budget::PER_POLL;
    println!("with a budget of {per_poll} pieces in a row: {budgeted} heartbeats");

    // Fibers do not help: a scheduler without a timer cannot preempt them either.
    for polite in [false, true] {
        let mut fibers = RoundRobin::new();
        let beats = Rc::new(Cell::new(0));
        let done = Rc::new(Cell::new(false));
        let (count, end) = (Rc::clone(&beats), Rc::clone(&done));
        fibers.spawn(move |turn| {
            while !end.get() {
                count.set(count.get() + 1);
                turn.yield_now();
            }
        })?;
        fibers.spawn(move |turn| {
            for _ in 0..PIECES {
                work();
                if polite {
                    turn.yield_now();
                }
            }
            done.set(true);
        })?;
        fibers.run()?;
        let how = if polite {
            "yielding after each"
        } else {
            "never yielding"
        };
        println!("a fiber, {how}: {}", beats.get());
    }
    Ok(())
}
