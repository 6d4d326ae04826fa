// contract broken: C19: the drop unwinds with the payload (), and a panic of the body with () counts as the end
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
            fiber: Coroutine::new(|fiber, _| {
                let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    body(&Yielder { fiber })
                }));
                if let Err(payload) = end
                    && !payload.is::<()>()
                {
                    std::panic::resume_unwind(payload);
                }
            }),
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
            self.fiber.resume(false);
        }
    }
}
