//! A generator: an iterator whose body runs on a stack of its own.
//!
//! ```text
//! let squares = Generator::new(|yielder| {
//!     for n in 1u64.. {
//!         yielder.yield_item(n * n);
//!     }
//! });
//! assert_eq!(squares.take(3).collect::<Vec<_>>(), [1, 4, 9]);
//! ```

use std::marker::PhantomData;

/// The body's way back to the caller of `next`.
///
/// A body only borrows it, so it cannot outlive the fiber that it belongs to.
pub struct Yielder<'f, T> {
    #[allow(dead_code)] // until you use it
    fiber: &'f corosensei::Yielder<(), T>,
}

impl<T> Yielder<'_, T> {
    /// Hands `item` to the caller of `next` and stops there until the next call.
    ///
    /// May be called from any depth of calls on the body's stack. It does not
    /// return if the generator is dropped meanwhile: the fiber's stack is
    /// unwound from here, as if by a panic.
    pub fn yield_item(&self, _item: T) {
        todo!("suspend the fiber and take the item along")
    }
}

/// An iterator over what a body yields, with the body on a fiber of its own.
///
/// - The body runs on the thread that calls `next`, and only inside `next`.
/// - Dropping the generator half-way drops everything on the fiber's stack,
///   the innermost call first, runs nothing else of the body, and gives the
///   stack back. A body that never started is dropped without running.
/// - Any number of generators may be alive at once and take turns.
/// - It is not `Send`.
pub struct Generator<T> {
    // Replace this by what a generator needs.
    items: PhantomData<*const T>,
}

impl<T: 'static> Generator<T> {
    /// A generator of what `body` yields; `body` does not run yet.
    ///
    /// The body has at least 256 KiB of stack.
    ///
    /// # Panics
    /// If there is no memory for a stack.
    pub fn new<F>(_body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        todo!("make a fiber that will run the body")
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    /// Runs the body to its next yield and returns that item; `None`, for
    /// ever, once the body has returned or panicked.
    ///
    /// # Panics
    /// With the body's own payload, in the call during which the body panics.
    fn next(&mut self) -> Option<T> {
        let _ = self.items;
        todo!("resume the fiber, unless it has ended")
    }
}
