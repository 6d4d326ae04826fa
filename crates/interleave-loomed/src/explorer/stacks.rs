//! Stacks for the code under test.
//!
//! loom's own are 32 KiB, too little for unoptimised code that formats a message. A thread's body
//! therefore runs as a coroutine on a stack of ours; loom's switches work from there too, because a
//! switch only saves the stack pointer, wherever it points. That also gives a clean way out: a
//! thread that must stop suspends its coroutine for good, and loom's frames below are unwound, while
//! the frames of the code under test are not.

use super::Stop;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use std::cell::{Cell, RefCell};

/// The size of a stack, in bytes; only what is used is backed by memory.
const SIZE: usize = 0x4_0000;

thread_local! {
    static SPARE: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
    /// The way out of the coroutine that is running.
    static WAY_OUT: Cell<*const Yielder<(), ()>> = const { Cell::new(std::ptr::null()) };
}

/// Runs `body` on a stack of its own, to its end or until it calls [`give_up`].
///
/// # Panics
/// Unwinds with [`Stop`] if `body` gave up.
pub(super) fn run(body: Box<dyn FnOnce()>) {
    let spare = SPARE.with(|spare| spare.borrow_mut().pop());
    let stack = match spare.map_or_else(|| DefaultStack::new(SIZE), Ok) {
        Ok(stack) => stack,
        Err(error) => panic!("no memory for a thread's stack: {error}"),
    };
    let mut coroutine: Coroutine<(), (), ()> = Coroutine::with_stack(stack, move |yielder, ()| {
        enter(yielder);
        body();
    });
    match coroutine.resume(()) {
        CoroutineResult::Return(()) => {
            let stack = coroutine.into_stack();
            SPARE.with(|spare| spare.borrow_mut().push(stack));
        }
        CoroutineResult::Yield(()) => {
            // SAFETY: nothing refers to this stack any more but other abandoned stacks: the model
            // ends here, and its threads never run again.
            unsafe { coroutine.force_reset() };
            std::panic::resume_unwind(Box::new(Stop));
        }
    }
}

/// Notes the way out of the coroutine that runs now; returns the one noted before.
pub(super) fn enter(yielder: *const Yielder<(), ()>) -> *const Yielder<(), ()> {
    WAY_OUT.replace(yielder)
}

/// The way out of the coroutine that runs now.
pub(super) fn way_out() -> *const Yielder<(), ()> {
    WAY_OUT.get()
}

/// Gives the running coroutine, and with it the model, up.
pub(super) fn give_up() -> ! {
    loop {
        // SAFETY: the yielder of the coroutine that we are on (see `Loom::away`); it lives as long as
        // the coroutine's closure runs, that is now.
        unsafe { &*way_out() }.suspend(());
    }
}
