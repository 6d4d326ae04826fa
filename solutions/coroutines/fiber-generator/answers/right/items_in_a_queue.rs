//! items go through a queue in an Rc, and the fiber suspends with nothing
use corosensei::Coroutine;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

pub struct Yielder<'f, T> {
    fiber: &'f corosensei::Yielder<(), ()>,
    queue: Rc<RefCell<VecDeque<T>>>,
}

impl<T> Yielder<'_, T> {
    pub fn yield_item(&self, item: T) {
        self.queue.borrow_mut().push_back(item);
        self.fiber.suspend(());
    }
}

pub struct Generator<T> {
    fiber: Coroutine<(), (), ()>,
    queue: Rc<RefCell<VecDeque<T>>>,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        let queue = Rc::new(RefCell::new(VecDeque::new()));
        let shared = Rc::clone(&queue);
        Self {
            fiber: Coroutine::new(|fiber, ()| {
                body(&Yielder {
                    fiber,
                    queue: shared,
                })
            }),
            queue,
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if !self.fiber.done() {
            self.fiber.resume(());
        }
        self.queue.borrow_mut().pop_front()
    }
}
