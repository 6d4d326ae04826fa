//! A coroutine of corosensei and nothing else. Others differ from it.
use corosensei::Coroutine;

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
        Self { fiber: Coroutine::new(|fiber, ()| body(&Yielder { fiber })) }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.fiber.done() { None } else { self.fiber.resume(()).as_yield() }
    }
}
