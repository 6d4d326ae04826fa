//! Threads as coroutines (corosensei), on stacks that one execution after another uses.
//!
//! A thread suspends when it has announced what it will do next, and is resumed with what came of
//! that. A thread of an execution that is given up is never resumed: its stack is used again, and
//! what it owned is leaked, as it is when a process ends.

use std::cell::RefCell;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use interleave_search::Outcome;

use super::{NOBODY, Run};

/// The coroutine of a thread.
pub(super) type Fiber = Coroutine<Option<Outcome>, (), (), DefaultStack>;
/// What a thread suspends with.
pub(super) type Way = Yielder<Option<Outcome>, ()>;

/// The size of a stack, in bytes: as large as std's. Only what is used is backed by memory.
const SIZE: usize = 0x20_0000;

thread_local! {
    static SPARE: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

impl Run {
    /// Makes the coroutine of the thread with the next number. It runs `body` when it is resumed.
    pub(crate) fn add_fiber(&self, body: Box<dyn FnOnce()>) {
        let spare = SPARE.with(|spare| spare.borrow_mut().pop());
        let stack = match spare.map_or_else(|| DefaultStack::new(SIZE), Ok) {
            Ok(stack) => stack,
            Err(error) => panic!("no memory for a thread's stack: {error}"),
        };
        let number = self.fibers.borrow().len();
        let fiber = Coroutine::with_stack(stack, move |way: &Way, _| {
            let Some(run) = super::run() else { return };
            run.state.borrow_mut().threads[number].way = std::ptr::from_ref(way);
            drop(run);
            body();
        });
        self.fibers.borrow_mut().push(Some(fiber));
    }

    /// Lets a thread run until it announces its next operation. True if it has ended instead.
    pub(super) fn resume(&self, thread: usize, outcome: Option<Outcome>) -> bool {
        let fiber = self.fibers.borrow_mut()[thread].take();
        let Some(mut fiber) = fiber else { return true };
        self.current.set(thread);
        super::outside::resumed();
        let result = fiber.resume(outcome);
        self.current.set(NOBODY);
        self.note_deeds();
        match result {
            CoroutineResult::Yield(()) => {
                self.fibers.borrow_mut()[thread] = Some(fiber);
                false
            }
            CoroutineResult::Return(()) => {
                SPARE.with(|spare| spare.borrow_mut().push(fiber.into_stack()));
                true
            }
        }
    }

    /// Suspends the current thread until the others let it go on.
    pub(super) fn suspend(&self) -> Option<Outcome> {
        let way = self.state.borrow().threads[self.me()].way;
        // SAFETY: it is the yielder of the coroutine that runs now, and lives as long as that.
        unsafe { &*way }.suspend(())
    }

    /// Gives the execution up: the current thread never goes on.
    pub(crate) fn stop(&self) -> ! {
        self.state.borrow_mut().stopping = true;
        loop {
            self.suspend();
        }
    }

    /// Takes the stacks of all threads that have not ended.
    pub(super) fn give_up_fibers(&self) {
        for mut fiber in self.fibers.borrow_mut().drain(..).flatten() {
            // SAFETY: no thread of this execution runs again, and what refers to its stack (a scope's
            // borrows, a lock's waiters) belongs to threads of this execution only.
            unsafe { fiber.force_reset() };
            SPARE.with(|spare| spare.borrow_mut().push(fiber.into_stack()));
        }
    }
}
