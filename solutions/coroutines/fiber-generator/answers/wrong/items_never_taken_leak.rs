// contract broken: C4: items cross as bytes, so an item that nobody takes while the generator is dropped is never dropped
use corosensei::Coroutine;
use std::cell::RefCell;
use std::rc::Rc;

pub struct Yielder<'f, T> {
    fiber: &'f corosensei::Yielder<(), ()>,
    slot: Rc<RefCell<Vec<u8>>>,
    items: std::marker::PhantomData<T>,
}

impl<T> Yielder<'_, T> {
    pub fn yield_item(&self, item: T) {
        {
            let mut slot = self.slot.borrow_mut();
            *slot = vec![0; size_of::<T>() + 1];
            let to = slot[1..].as_mut_ptr().cast::<T>();
            unsafe { to.write(item) }
        }
        self.fiber.suspend(());
    }
}

pub struct Generator<T> {
    fiber: Coroutine<(), (), ()>,
    slot: Rc<RefCell<Vec<u8>>>,
    items: std::marker::PhantomData<T>,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        let slot = Rc::new(RefCell::new(Vec::new()));
        let shared = Rc::clone(&slot);
        Self {
            fiber: Coroutine::new(|fiber, ()| {
                body(&Yielder {
                    fiber,
                    slot: shared,
                    items: std::marker::PhantomData,
                })
            }),
            slot,
            items: std::marker::PhantomData,
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.fiber.done() {
            return None;
        }
        self.fiber.resume(()).as_yield()?;
        let slot = self.slot.borrow();
        Some(unsafe { slot[1..].as_ptr().cast::<T>().read() })
    }
}
