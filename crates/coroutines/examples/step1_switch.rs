//! Step 1: two stacks and a switch between them, with a page of assembly.
//!
//! The fiber's stack is a piece of ordinary memory. The program shows that the
//! switch works, and then that nothing stops a fiber whose stack is too small.

mod from_scratch;

use std::cell::Cell;
use std::hint::black_box;
use std::ptr;

use from_scratch::{Saved, prepare, switch};

// ANCHOR: places
thread_local! {
    /// The stack pointer of the main stack, while the fiber runs.
    static MAIN: Cell<*mut u8> = const { Cell::new(ptr::null_mut()) };
    /// The stack pointer of the fiber, while it waits.
    static FIBER: Cell<*mut u8> = const { Cell::new(ptr::null_mut()) };
    /// How deep the fiber's recursion goes.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs the fiber until it suspends itself.
fn resume() {
    // SAFETY: the fiber waits, and its stack lives until the end of `main`.
    MAIN.with(|main| unsafe { switch(main.as_ptr(), FIBER.get()) });
}

/// Runs the main stack until it resumes the fiber.
fn suspend() {
    // SAFETY: the main stack waits in `resume`.
    FIBER.with(|fiber| unsafe { switch(fiber.as_ptr(), MAIN.get()) });
}
// ANCHOR_END: places

// ANCHOR: body
extern "C" fn body() -> ! {
    println!("    fiber: first words");
    suspend();
    println!("    fiber: I still know my place");
    suspend();
    loop {
        recurse(DEPTH.get());
        suspend();
    }
}

/// Uses about 2 KiB of stack for each level.
fn recurse(levels: usize) {
    let frame = black_box([0xEE_u8; 1024]);
    if levels > 1 {
        recurse(levels - 1);
    }
    black_box(&frame);
}
// ANCHOR_END: body

const STACK: usize = 16 * 1024;
/// Somebody else's memory, which happens to lie just below the fiber's stack.
const NEIGHBOR: usize = 128 * 1024;

/// What memory looks like that nobody has written to. It is as wide as a stack
/// must be aligned.
const UNTOUCHED: u128 = 0x5555_5555_5555_5555;
const WIDTH: usize = size_of::<u128>();

fn main() {
    let mut memory = vec![UNTOUCHED; (NEIGHBOR + STACK) / WIDTH];
    let bottom = memory.as_mut_ptr();
    // SAFETY: this is the end of the memory, which we use only through `bottom`.
    FIBER.set(unsafe { prepare(bottom.add(memory.len()).cast(), body) });

    println!("main: a switch saves {} bytes", size_of::<Saved>());
    resume();
    println!("main: back after the first switch");
    resume();
    println!("main: back after the second");

    for levels in [4, 24] {
        DEPTH.set(levels);
        resume();
        let mut neighbor = 0..NEIGHBOR / WIDTH;
        // SAFETY: the fiber waits, so nobody writes to the memory meanwhile.
        let intact = neighbor.all(|at| unsafe { bottom.add(at).read() } == UNTOUCHED);
        println!(
            "a recursion of {levels} levels: the memory below the stack is {}",
            if intact { "intact" } else { "overwritten" }
        );
    }
    println!("main: nobody has noticed");
}
