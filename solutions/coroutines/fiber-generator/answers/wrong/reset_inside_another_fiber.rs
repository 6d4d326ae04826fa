// contract broken: C7: a generator that is dropped by the unwinding of another fiber is reset, not unwound
use corosensei::Coroutine;
use std::cell::Cell;
thread_local! { static UNWINDING: Cell<bool> = const { Cell::new(false) }; }

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
        Self {
            fiber: Coroutine::new(|fiber, ()| body(&Yielder { fiber })),
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
        if UNWINDING.replace(true) {
            // SAFETY: the outer stack goes away anyway.
            unsafe { self.fiber.force_reset() };
            return;
        }
        self.fiber.force_unwind();
        UNWINDING.set(false);
    }
}
