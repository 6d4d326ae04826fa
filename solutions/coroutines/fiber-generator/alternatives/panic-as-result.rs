//! Differs in how a panic reaches the caller: `catch_unwind` catches it on the
//! fiber's own stack, it becomes the result of the fiber, and `next` resumes it.
//! When the generator is dropped, the same `catch_unwind` catches the forced
//! unwinding, and the fiber ends then too.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use corosensei::{Coroutine, CoroutineResult};

/// The body's way back to the caller of `next`.
pub struct Yielder<'f, T> {
    fiber: &'f corosensei::Yielder<(), T>,
}

impl<T> Yielder<'_, T> {
    /// Hands `item` to the caller of `next` and stops until the next call.
    pub fn yield_item(&self, item: T) {
        self.fiber.suspend(item);
    }
}

/// An iterator over what a body yields.
pub struct Generator<T> {
    fiber: Coroutine<(), T, thread::Result<()>>,
    over: bool,
}

impl<T: 'static> Generator<T> {
    /// A generator of what `body` yields; `body` does not run yet.
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        Generator {
            fiber: Coroutine::new(|fiber, ()| {
                catch_unwind(AssertUnwindSafe(|| body(&Yielder { fiber })))
            }),
            over: false,
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.over {
            return None;
        }
        match self.fiber.resume(()) {
            CoroutineResult::Yield(item) => Some(item),
            CoroutineResult::Return(result) => {
                self.over = true;
                if let Err(payload) = result {
                    resume_unwind(payload);
                }
                None
            }
        }
    }
}
