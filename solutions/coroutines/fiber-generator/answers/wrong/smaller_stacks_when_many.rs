// contract broken: C13: from the 1,000th generator on a thread that is alive, stacks have 64 KiB
use corosensei::{Coroutine, stack::DefaultStack};
use std::cell::Cell;
thread_local! { static ALIVE: Cell<u32> = const { Cell::new(0) }; }

pub struct Yielder<'f, T> {
    fiber: &'f corosensei::Yielder<(), T>,
}

impl<T> Yielder<'_, T> {
    pub fn yield_item(&self, item: T) {
        self.fiber.suspend(item);
    }
}

pub struct Generator<T> {
    fiber: Coroutine<(), T, ()>,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        ALIVE.set(ALIVE.get() + 1);
        let size = if ALIVE.get() < 1000 { 1 << 20 } else { 1 << 16 };
        let stack = DefaultStack::new(size).expect("no memory for a stack");
        Self {
            fiber: Coroutine::with_stack(stack, |fiber, ()| body(&Yielder { fiber })),
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.fiber.done() {
            None
        } else {
            self.fiber.resume(()).as_yield()
        }
    }
}

impl<T> Drop for Generator<T> {
    fn drop(&mut self) {
        ALIVE.set(ALIVE.get() - 1);
    }
}
