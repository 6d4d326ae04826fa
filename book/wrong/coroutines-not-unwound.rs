//! A generator: an iterator whose body runs on a stack of its own.
//!
//! ```text
//!   caller's stack            fiber's stack
//!   next() ── resume ───────▶ body runs …
//!   Some(1) ◀── suspend(1) ── yield_item(1)     everything on this stack stays
//!   next() ── resume ───────▶ … goes on
//!   None    ◀── return ────── end of the body
//! ```

use std::iter::FusedIterator;

use corosensei::Coroutine;

/// The body's way back to the caller of [`Generator::next`].
pub struct Yielder<'f, T> {
    fiber: &'f corosensei::Yielder<(), T>,
}

impl<T> Yielder<'_, T> {
    /// Hands `item` to the caller of `next` and stops until the next call.
    ///
    /// It does not return if the generator is dropped meanwhile: the fiber's
    /// stack is unwound from here, as if by a panic.
    pub fn yield_item(&self, item: T) {
        self.fiber.suspend(item);
    }
}

/// An iterator over what a body yields, with the body on a fiber of its own.
///
/// It is not `Send`: what lives on the fiber's stack may belong to this thread.
pub struct Generator<T> {
    fiber: Coroutine<(), T, ()>,
}

impl<T: 'static> Generator<T> {
    /// A generator of what `body` yields; `body` does not run yet.
    ///
    /// # Panics
    /// If there is no memory for a stack.
    pub fn new<F>(body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        Generator {
            fiber: Coroutine::new(|fiber, ()| body(&Yielder { fiber })),
        }
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    /// Runs the body to its next yield; `None` once it has returned.
    ///
    /// # Panics
    /// With the body's own payload if the body panics; from then on it is `None`.
    fn next(&mut self) -> Option<T> {
        // True after a panic too, so that a dead fiber is never resumed.
        if self.fiber.done() {
            return None;
        }
        self.fiber.resume(()).as_yield()
    }
}

impl<T: 'static> FusedIterator for Generator<T> {}

impl<T> Drop for Generator<T> {
    fn drop(&mut self) {
        // SAFETY: nobody resumes this fiber again.
        unsafe { self.fiber.force_reset() };
    }
}
