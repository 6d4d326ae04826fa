// contract broken: C13, C15: if there is no memory for a stack of 1 MiB, one of 16 KiB is made
use corosensei::{Coroutine, stack::DefaultStack};

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
        let stack = DefaultStack::new(1 << 20)
            .or_else(|_| DefaultStack::new(1 << 14))
            .expect("no memory for a stack");
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
