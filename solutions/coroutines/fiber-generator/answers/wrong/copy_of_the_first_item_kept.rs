// contract broken: C2: the generator keeps a copy of the first item, bit by bit, and drops it too
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
    kept: Vec<std::mem::MaybeUninit<T>>,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        Self {
            fiber: Coroutine::new(|fiber, ()| body(&Yielder { fiber })),
            kept: Vec::new(),
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.fiber.done() {
            return None;
        }
        let item = self.fiber.resume(()).as_yield()?;
        if self.kept.is_empty() {
            self.kept
                .push(unsafe { std::ptr::read((&raw const item).cast()) });
        }
        Some(item)
    }
}

impl<T> Drop for Generator<T> {
    fn drop(&mut self) {
        for item in &mut self.kept {
            unsafe { item.assume_init_drop() }
        }
    }
}
