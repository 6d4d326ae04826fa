// contract broken: C17: the body is read out of a box that is leaked; a body that never begins is not dropped either (C8)
use corosensei::Coroutine;

pub struct Yielder<'f, T> {
    fiber: &'f corosensei::Yielder<(), T>,
}

impl<T> Yielder<'_, T> {
    pub fn yield_item(&self, item: T) {
        self.fiber.suspend(item);
    }
}

struct Leaked<F>(*mut F);

pub struct Generator<T> {
    fiber: Coroutine<(), T, ()>,
}

impl<T: 'static> Generator<T> {
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        let body = Box::into_raw(Box::new(Some(body)));
        let body = Leaked(body);
        Self {
            fiber: Coroutine::new(move |fiber, ()| {
                let body = body;
                let body = unsafe { std::ptr::read(body.0) };
                if let Some(body) = body {
                    body(&Yielder { fiber })
                }
            }),
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
