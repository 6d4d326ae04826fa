//! Differs in how an item reaches the caller: `yield_item` puts it into a slot that
//! the body and the generator share, and suspends the fiber without a value.

use std::cell::Cell;
use std::rc::Rc;

use corosensei::Coroutine;

/// The body's way back to the caller of `next`.
pub struct Yielder<'f, T> {
    fiber: &'f corosensei::Yielder<(), ()>,
    slot: Rc<Cell<Option<T>>>,
}

impl<T> Yielder<'_, T> {
    /// Hands `item` to the caller of `next` and stops until the next call.
    pub fn yield_item(&self, item: T) {
        self.slot.set(Some(item));
        self.fiber.suspend(());
    }
}

/// An iterator over what a body yields.
pub struct Generator<T> {
    fiber: Option<Coroutine<(), (), ()>>,
    slot: Rc<Cell<Option<T>>>,
}

impl<T: 'static> Generator<T> {
    /// A generator of what `body` yields; `body` does not run yet.
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        let slot = Rc::new(Cell::new(None));
        let bodys = Rc::clone(&slot);
        let fiber = Coroutine::new(move |fiber, ()| body(&Yielder { fiber, slot: bodys }));
        Generator {
            fiber: Some(fiber),
            slot,
        }
    }
}

impl<T> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let mut fiber = self.fiber.take()?;
        fiber.resume(());
        let item = self.slot.take();
        if item.is_some() {
            self.fiber = Some(fiber);
        }
        item
    }
}
