// contract broken: C10: at most 32 generators run inside each other
use corosensei::Coroutine;
use std::cell::Cell;
thread_local! { static DEPTH: Cell<u32> = const { Cell::new(0) }; }
struct Depth;
impl Depth {
    fn enter() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        assert!(DEPTH.get() <= 32, "too deep");
        Depth
    }
}
impl Drop for Depth {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

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
        let _depth = Depth::enter();
        self.fiber.resume(()).as_yield()
    }
}
