//! C1: A body only borrows its yielder: it cannot keep it.
//! Errors: E0521, lifetime

use std::cell::RefCell;

use fiber_generator::{Generator, Yielder};

thread_local! {
    static KEPT: RefCell<Option<&'static Yielder<'static, u32>>> = const { RefCell::new(None) };
}

pub fn keeps_it() -> Generator<u32> {
    Generator::new(|yielder: &Yielder<'_, u32>| {
        KEPT.with_borrow_mut(|kept| *kept = Some(yielder)); //~ refused
        yielder.yield_item(1);
    })
}
