// contract broken: C9: a pool keeps 16 stacks; a stack that does not fit into it is forgotten instead of freed
use corosensei::{Coroutine, stack::DefaultStack};
use std::cell::RefCell;
thread_local! { static POOL: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) }; }

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
        let stack = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
        Self {
            fiber: Some(Coroutine::with_stack(stack, |fiber, ()| {
                body(&Yielder { fiber })
            })),
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let fiber = self.fiber.as_mut().filter(|fiber| !fiber.done())?;
        fiber.resume(()).as_yield()
    }
}

impl<T> Drop for Generator<T> {
    fn drop(&mut self) {
        let Some(mut fiber) = self.fiber.take() else {
            return;
        };
        fiber.force_unwind();
        let stack = fiber.into_stack();
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < 16 {
                pool.push(stack)
            } else {
                std::mem::forget(stack)
            }
        });
    }
}
