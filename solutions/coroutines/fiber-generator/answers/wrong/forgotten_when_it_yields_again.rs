// contract broken: C4, C9: a body that yields again while it is dropped is forgotten with its stack
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
    fiber: Option<Coroutine<bool, T, ()>>,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        Self {
            fiber: Some(Coroutine::new(|fiber, _| body(&Yielder { fiber }))),
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let fiber = self.fiber.as_mut().filter(|fiber| !fiber.done())?;
        fiber.resume(true).as_yield()
    }
}

impl<T> Drop for Generator<T> {
    fn drop(&mut self) {
        let Some(mut fiber) = self.fiber.take() else {
            return;
        };
        if fiber.started() && !fiber.done() {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fiber.resume(false)));
            if !fiber.done() {
                std::mem::forget(fiber);
            }
        }
    }
}
