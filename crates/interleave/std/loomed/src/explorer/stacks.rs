//! Stacks for the code under test.
//!
//! loom's own stacks have 32 KiB, which is too little for unoptimized code that formats a message.
//! So the body of a thread runs as a coroutine on a stack of this module. loom's switches work from
//! there too, because a switch only saves the stack pointer, wherever it points. This also gives a
//! clean way out: a thread that must end suspends its coroutine for good. loom's frames below are
//! then unwound, but the frames of the code under test are not.

use std::cell::{Cell, RefCell};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::Stop;

/// The size of a stack, in bytes; only what is used is backed by memory.
const SIZE: usize = 0x4_0000;

thread_local! {
    static SPARE: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
    /// The way out of the coroutine that is running.
    static WAY_OUT: Cell<*const Yielder<(), Exit>> = const { Cell::new(std::ptr::null()) };
}

/// What ends when a thread leaves its stack for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The thread ends; the others go on.
    Thread,
    /// The model ends.
    Model,
}

/// Runs `body` on a stack of its own, to its end or until it calls [`leave`].
///
/// # Panics
/// Unwinds with [`Stop`] if `body` ended the model.
pub(super) fn run(body: Box<dyn FnOnce()>) {
    let spare = SPARE.with(|spare| spare.borrow_mut().pop());
    let stack = match spare.map_or_else(|| DefaultStack::new(SIZE), Ok) {
        Ok(stack) => stack,
        Err(error) => panic!("no memory for a thread's stack: {error}"),
    };
    let mut coroutine: Coroutine<(), Exit, ()> =
        Coroutine::with_stack(stack, move |yielder, ()| {
            enter(yielder);
            body();
        });
    match coroutine.resume(()) {
        CoroutineResult::Return(()) => {
            let stack = coroutine.into_stack();
            SPARE.with(|spare| spare.borrow_mut().push(stack));
        }
        CoroutineResult::Yield(exit) => {
            // SAFETY: nothing that still runs refers to this stack: either the model ends here, or the
            // thread ends after all others but those that also wait for ever.
            unsafe { coroutine.force_reset() };
            if exit == Exit::Model {
                std::panic::resume_unwind(Box::new(Stop));
            }
        }
    }
}

/// Notes the way out of the coroutine that runs now. Returns the way out that was noted before.
pub(super) fn enter(yielder: *const Yielder<(), Exit>) -> *const Yielder<(), Exit> {
    WAY_OUT.replace(yielder)
}

/// The way out of the coroutine that runs now.
pub(super) fn way_out() -> *const Yielder<(), Exit> {
    WAY_OUT.get()
}

/// Leaves the running coroutine for good.
pub(super) fn leave(exit: Exit) -> ! {
    loop {
        // SAFETY: the yielder of the coroutine that we are on (see `Loom::away`); it lives as long as
        // the coroutine's closure runs, that is now.
        unsafe { &*way_out() }.suspend(exit);
    }
}
