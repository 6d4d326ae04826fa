//! does not use corosensei's forced unwinding: `next` sends true, the drop false, and yield_item unwinds with a token of its own until the body has ended
use corosensei::Coroutine;

pub struct Yielder<'f, T> {
    fiber: &'f corosensei::Yielder<bool, T>,
}

impl<T> Yielder<'_, T> {
    pub fn yield_item(&self, item: T) {
        if !self.fiber.suspend(item) {
            std::panic::resume_unwind(Box::new(Dropped));
        }
    }
}

struct Dropped;

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
        while self.fiber.started() && !self.fiber.done() {
            let fiber = &mut self.fiber;
            if let Err(payload) =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fiber.resume(false)))
                && !payload.is::<Dropped>()
            {
                std::panic::resume_unwind(payload);
            }
        }
    }
}
