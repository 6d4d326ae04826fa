//! Differs in when the stack is made and given back. The body waits in a box until
//! the first `next`, which makes the fiber. When the body ends, the same call of
//! `next` drops the fiber. So a generator that has not begun, or that has ended,
//! holds no stack.

use std::iter::FusedIterator;

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

type Body<T> = Box<dyn FnOnce(&Yielder<'_, T>)>;

enum State<T> {
    Waiting(Body<T>),
    Suspended(Coroutine<(), T, ()>),
    Over,
}

/// An iterator over what a body yields.
pub struct Generator<T> {
    state: State<T>,
}

impl<T: 'static> Generator<T> {
    /// A generator of what `body` yields; `body` does not run yet.
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        Generator {
            state: State::Waiting(Box::new(body)),
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        // Over until proved otherwise: a panic in the body leaves it that way.
        let mut fiber = match std::mem::replace(&mut self.state, State::Over) {
            State::Waiting(body) => Coroutine::new(|fiber, ()| body(&Yielder { fiber })),
            State::Suspended(fiber) => fiber,
            State::Over => return None,
        };
        match fiber.resume(()) {
            CoroutineResult::Yield(item) => {
                self.state = State::Suspended(fiber);
                Some(item)
            }
            CoroutineResult::Return(()) => None,
        }
    }
}

impl<T: 'static> FusedIterator for Generator<T> {}
