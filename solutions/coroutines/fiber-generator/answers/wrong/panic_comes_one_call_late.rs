// contract broken: C19: the call during which the body panics gives None, and the next one panics
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
    payload: Option<Box<dyn std::any::Any + Send>>,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        Self {
            fiber: Coroutine::new(|fiber, ()| body(&Yielder { fiber })),
            payload: None,
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if let Some(payload) = self.payload.take() {
            std::panic::resume_unwind(payload);
        }
        if self.fiber.done() {
            return None;
        }
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.fiber.resume(()).as_yield()
        })) {
            Ok(item) => item,
            Err(payload) => {
                self.payload = Some(payload);
                None
            }
        }
    }
}
