//! the body lies in a box, so that it may be of any size, and the generator moves its fiber into a box too
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
    fiber: Box<Coroutine<(), T, ()>>,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        let body: Box<dyn FnOnce(&Yielder<'_, T>)> = Box::new(body);
        Self {
            fiber: Box::new(Coroutine::new(move |fiber, ()| body(&Yielder { fiber }))),
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
