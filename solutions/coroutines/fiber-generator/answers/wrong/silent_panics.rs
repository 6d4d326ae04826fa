// contract broken: C19: the panic hook is taken away while the body runs
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
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ()));
        let item = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.fiber.resume(()).as_yield()
        }));
        std::panic::set_hook(hook);
        item.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }
}
