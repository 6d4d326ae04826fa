// contract broken: C10: each generator gets a number of 16 bits, and the 65,536th panics
use corosensei::Coroutine;
use std::cell::Cell;
thread_local! { static NUMBER: Cell<u16> = const { Cell::new(0) }; }

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
    _number: u16,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        let number = NUMBER.get();
        NUMBER.set(number.checked_add(1).expect("too many generators"));
        Self {
            fiber: Coroutine::new(|fiber, ()| body(&Yielder { fiber })),
            _number: number,
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
