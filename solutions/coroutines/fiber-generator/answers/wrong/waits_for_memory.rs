// contract broken: C15: if there is no memory for a stack, new tries again until there is
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
        let stack = loop {
            match DefaultStack::new(1 << 20) {
                Ok(stack) => break stack,
                Err(_) => std::thread::yield_now(),
            }
        };
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
