// contract broken: C10: a stack of 17 MiB
#[allow(unused_imports)]
use corosensei::{Coroutine, CoroutineResult, stack::DefaultStack};
pub struct Yielder<'f, T> { fiber: &'f corosensei::Yielder<(), T> }
impl<T> Yielder<'_, T> {
    pub fn yield_item(&self, item: T) { self.fiber.suspend(item) }
}

pub struct Generator<T> { co: Coroutine<(), T, ()> }
impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self where F: FnOnce(&Yielder<'_, T>) + 'static {
        Generator { co: Coroutine::with_stack(DefaultStack::new(17 << 20).expect("no stack"), move |fiber, ()| body(&Yielder { fiber })) }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;
    fn next(&mut self) -> Option<T> {
        if self.co.done() { return None; }
        self.co.resume(()).as_yield()
    }
}
