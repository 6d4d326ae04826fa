// contract broken: C19: a payload that is neither &str nor String is replaced by a text
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
        Self {
            fiber: Coroutine::new(|fiber, ()| body(&Yielder { fiber })),
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.fiber.done() {
            return None;
        }
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.fiber.resume(()).as_yield()
        })) {
            Ok(item) => item,
            Err(payload)
                if payload.is::<u64>()
                    || payload.is::<String>()
                    || payload.is::<&'static str>() =>
            {
                std::panic::resume_unwind(payload)
            }
            Err(_) => std::panic::resume_unwind(Box::new("the body panicked")),
        }
    }
}
