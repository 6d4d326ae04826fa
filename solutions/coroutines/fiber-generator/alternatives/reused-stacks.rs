//! Differs in where stacks come from: each thread keeps up to eight stacks of its
//! ended generators and gives them to new generators. Making a generator with such
//! a stack costs no system call.

use std::cell::RefCell;
use std::iter::FusedIterator;

use corosensei::Coroutine;
use corosensei::stack::DefaultStack;

/// How many free stacks a thread keeps.
const KEPT: usize = 8;

thread_local! {
    static FREE: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

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
pub struct Generator<T: 'static> {
    /// `None` once the body has ended.
    fiber: Option<Coroutine<(), T, ()>>,
}

impl<T: 'static> Generator<T> {
    /// A generator of what `body` yields; `body` does not run yet.
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        let free = FREE.with_borrow_mut(Vec::pop);
        let fiber = Coroutine::with_stack(free.unwrap_or_default(), |fiber, ()| {
            body(&Yielder { fiber });
        });
        Generator { fiber: Some(fiber) }
    }

    /// Unwinds the fiber, if it has not ended, and keeps its stack.
    fn retire(&mut self) {
        let Some(mut fiber) = self.fiber.take() else {
            return;
        };
        fiber.force_unwind();
        let stack = fiber.into_stack();
        // While the thread ends its locals may be gone; then the stack is freed.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < KEPT {
                free.push(stack);
            }
        });
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let fiber = self.fiber.as_mut()?;
        if fiber.done() {
            return None;
        }
        let item = fiber.resume(()).as_yield();
        if item.is_none() {
            self.retire();
        }
        item
    }
}

impl<T: 'static> Drop for Generator<T> {
    fn drop(&mut self) {
        self.retire();
    }
}

impl<T: 'static> FusedIterator for Generator<T> {}
