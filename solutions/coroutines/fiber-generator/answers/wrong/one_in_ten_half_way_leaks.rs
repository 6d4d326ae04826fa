// contract broken: C9: every tenth generator that is dropped half-way keeps its stack
use corosensei::Coroutine;
use std::cell::Cell;
thread_local! { static COUNT: Cell<u32> = const { Cell::new(0) }; }

pub struct Yielder<'f, T> {
    fiber: &'f corosensei::Yielder<(), T>,
}

impl<T> Yielder<'_, T> {
    pub fn yield_item(&self, item: T) {
        self.fiber.suspend(item);
    }
}

pub struct Generator<T> {
    fiber: Option<Coroutine<(), T, ()>>,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        Self {
            fiber: Some(Coroutine::new(|fiber, ()| body(&Yielder { fiber }))),
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let fiber = self.fiber.as_mut().filter(|fiber| !fiber.done())?;
        fiber.resume(()).as_yield()
    }
}

impl<T> Drop for Generator<T> {
    fn drop(&mut self) {
        let Some(mut fiber) = self.fiber.take() else {
            return;
        };
        if fiber.started() && !fiber.done() {
            COUNT.set(COUNT.get() + 1);
            fiber.force_unwind();
            if COUNT.get() % 10 == 0 {
                std::mem::forget(fiber);
            }
        }
    }
}
