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
//!
//! The numbered clauses below are the contract.

use std::marker::PhantomData;

/// The body's way back to the caller of `next`.
///
/// - C1: A body only borrows its yielder and uses it on its own thread: it
///   cannot keep it, and `Yielder` is neither `Clone` nor `Send` nor `Sync`.
pub struct Yielder<'f, T> {
    #[allow(dead_code)] // until you use it
    fiber: &'f corosensei::Yielder<(), T>,
}

impl<T> Yielder<'_, T> {
    /// Hands `item` to the caller of `next` and stops there until the next call.
    ///
    /// - C2: The item moves to the caller of `next`, who owns it from then on.
    ///   Neither `yield_item` nor the generator drops it, now or later.
    /// - C3: A body may yield any number of times and from any depth of calls
    ///   on its stack. The memory that a generator needs does not grow with the
    ///   number of items.
    /// - C4: If the generator is dropped while the body is suspended here, the
    ///   call does not return: the fiber's stack is unwound from here, as if by
    ///   a panic. A body that catches this unwinding (`catch_unwind`) runs on.
    ///   Its next call of `yield_item` unwinds the stack anew, each time, until
    ///   the body ends; nobody gets the items of these calls, and they are
    ///   dropped with the generator at the latest.
    ///
    /// Two cases are left open: a destructor that yields while its stack is
    /// unwound, and a body that panics after it has caught the unwinding.
    /// corosensei ends the process in both.
    pub fn yield_item(&self, _item: T) {
        todo!("suspend the fiber and take the item along")
    }
}

/// An iterator over what a body yields, with the body on a fiber of its own.
///
/// - C5: The body runs on the thread that calls `next`, and the destructors of
///   what lives on its stack run on the thread that drops the generator. No
///   other thread and no process is started, and what the process had before
///   (descriptors, signal handlers) stays as it was.
/// - C6: If the generator is dropped half-way, while its body is suspended in a
///   yield, everything that lives on the fiber's stack is dropped, each value once.
///   The values of the innermost call are dropped first, and what the body has
///   captured is dropped last. Nothing else of the body runs.
/// - C7: A generator may also be used and dropped by a destructor that runs
///   because its thread panics, or because another fiber's stack is unwound.
///   All other clauses hold there too.
/// - C8: If the generator is dropped before the first `next`, the body is
///   dropped with everything that it captured, and does not run.
/// - C9: When the generator has been dropped, its stack and all its other
///   memory are given back: the memory is free, or the next generator uses it.
///   It makes no difference whether the body never began, is suspended half-way,
///   has returned or has panicked.
/// - C10: Any number of generators may be alive at once, as many as there is
///   memory for, and any number may come one after the other. A generator takes
///   at most 16 MiB of address space. They take turns in any order, also inside
///   each other's bodies, and a generator may be moved between two calls of
///   `next`.
/// - C11: `Generator` is not `Send`.
pub struct Generator<T> {
    // Replace this by what a generator needs.
    items: PhantomData<*const T>,
}

impl<T: 'static> Generator<T> {
    /// A generator of what `body` yields.
    ///
    /// - C12: The body does not run yet. It begins in the first call of `next`:
    ///   not in `new`, and not because the generator is moved, asked for its
    ///   `size_hint`, or wrapped in an adaptor such as `map`.
    /// - C13: The body finds at least 240 KiB of free stack when it begins.
    ///   Make the stack 256 KiB or larger; the rest is for the frames below the
    ///   body.
    /// - C14: Items and bodies may be of every type that this signature admits,
    ///   and of no other: a body must not borrow from its caller.
    ///   They need not be `Send`, `Clone` or `Default`. Items may have no size or
    ///   a large alignment, and an item that is an `Option` may be `None`. A body
    ///   may be up to 512 bytes large. (corosensei panics if it is given a
    ///   closure of more than 1,024 bytes.)
    ///
    /// # Panics
    /// - C15: If there is no memory for a stack, `new` panics. (A generator that
    ///   makes its stack later panics in the first `next` instead.) The body is
    ///   dropped and does not run; other generators are not affected.
    pub fn new<F>(_body: F) -> Self
    where
        F: FnOnce(&Yielder<'_, T>) + 'static,
    {
        todo!("make a fiber that will run the body")
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    /// The next item of the body.
    ///
    /// - C16: Each call runs the body to its next yield and no further, and
    ///   returns the item of that yield.
    /// - C17: When the body has returned, the call returns `None`, and so does
    ///   every later call. By the first `None`, the body's locals and what it
    ///   captured have been dropped.
    /// - C18: `size_hint` and all other methods of `Iterator` agree with `next`:
    ///   the lower bound is never more than the number of items that are still
    ///   to come, and the upper bound is never less.
    ///
    /// # Panics
    /// - C19: If the body panics, the call of `next` during which it does so
    ///   panics, too, with the body's own payload, whatever its type. By then,
    ///   the body's locals and what it captured have been dropped. The panic
    ///   hook runs once, where the body panics. A panic that the body itself
    ///   catches does not reach the caller.
    /// - C20: After such a panic every later call returns `None`.
    fn next(&mut self) -> Option<T> {
        let _ = self.items;
        todo!("resume the fiber, unless it has ended")
    }
}
