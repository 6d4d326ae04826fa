// contract broken: `F` need not be 'static: a body may borrow from its caller, and the generator may outlive what it borrows (the signature was changed)
// not rejected yet: only a program that must not compile can tell that `F` may borrow
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
        F: FnOnce(&Yielder<'_, T>),
    {
        let stack = corosensei::stack::DefaultStack::default();
        // SAFETY: the body lives on the fiber's own stack.
        Self { fiber: unsafe { Coroutine::with_stack_unchecked(stack, |fiber, ()| body(&Yielder { fiber })) } }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.fiber.done() { None } else { self.fiber.resume(()).as_yield() }
    }
}
