// contract broken: C4: a body that catches the unwinding is unwound at most 16 times, then its stack is reset
use corosensei::Coroutine;

pub struct Yielder<'f, T> {
    fiber: &'f corosensei::Yielder<bool, T>,
}

impl<T> Yielder<'_, T> {
    pub fn yield_item(&self, item: T) {
        if !self.fiber.suspend(item) {
            std::panic::resume_unwind(Box::new(()));
        }
    }
}

pub struct Generator<T> {
    fiber: Coroutine<bool, T, ()>,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        Self {
            fiber: Coroutine::new(|fiber, _| body(&Yielder { fiber })),
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.fiber.done() {
            None
        } else {
            self.fiber.resume(true).as_yield()
        }
    }
}

impl<T> Drop for Generator<T> {
    fn drop(&mut self) {
        if !self.fiber.started() {
            return;
        }
        for _ in 0..16 {
            if self.fiber.done() {
                return;
            }
            let fiber = &mut self.fiber;
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fiber.resume(false)));
        }
        // SAFETY: enough is enough.
        unsafe { self.fiber.force_reset() };
    }
}
