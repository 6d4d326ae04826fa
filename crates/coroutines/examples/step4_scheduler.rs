//! Step 4: a scheduler for fibers, and what a fiber that waits costs.
//!
//! The queue knows who has something left to do. But each fiber keeps a whole
//! stack while it waits, and the kernel gives out stacks in pages.

use std::error::Error;

use coroutines::budget::{YieldNow, yield_now};
use coroutines::fiber::{DEFAULT_STACK_SIZE, Fiber};
use coroutines::round_robin::RoundRobin;

// ANCHOR: turns
fn take_turns() -> Result<(), Box<dyn Error>> {
    let mut fibers = RoundRobin::new();
    for (name, steps) in [("Ada", 5), ("Ben", 1), ("Cyd", 2)] {
        fibers.spawn(move |turn| {
            for step in 1..=steps {
                println!("    {name} cooks, step {step}");
                if step < steps {
                    turn.yield_now();
                }
            }
        })?;
    }
    fibers.run()?;
    println!("with a queue: {} turns, none in vain", fibers.turns());
    Ok(())
}
// ANCHOR_END: turns

// ANCHOR: costs
const WAITING: usize = 1_000;

fn costs() -> Result<(), Box<dyn Error>> {
    let before = resident_kib()?;
    let mut fibers = Vec::new();
    for _ in 0..WAITING {
        let mut fiber = Fiber::<(), (), ()>::new(|fiber, ()| fiber.suspend(()))?;
        fiber.resume(());
        fibers.push(fiber); // it waits in its `suspend`
    }
    let each = (resident_kib()? - before) / WAITING;
    let addresses = DEFAULT_STACK_SIZE / 1024;
    println!("a fiber that waits: {each} KiB of memory, {addresses} KiB of addresses");
    println!(
        "a future that waits: {} bytes",
        size_of_val(&waits(yield_now()))
    );
    Ok(())
}

async fn waits(what: YieldNow) {
    what.await;
}
// ANCHOR_END: costs

/// How much memory the kernel has given to this process.
fn resident_kib() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.ok_or("/proc/self/status has no VmRSS")?.parse()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    take_turns()?;
    costs()
}
