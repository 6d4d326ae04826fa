//! the fiber is dropped as soon as the body has ended, by a guard if it panics; size_hint knows the end
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
        let mut fiber = self.fiber.take()?;
        let item = fiber.resume(()).as_yield()?;
        self.fiber = Some(fiber);
        Some(item)
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.fiber.is_none() {
            (0, Some(0))
        } else {
            (0, None)
        }
    }
}
