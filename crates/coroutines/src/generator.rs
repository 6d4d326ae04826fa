//! A generator: an iterator whose body is a function that stops at each item.
//!
//! The body is ordinary code with loops, calls and recursion; it need not be
//! turned inside out into a `next` that remembers where it was. What remembers
//! is the body's own stack, which stays as it is between two items.
//!
//! ```
//! use coroutines::generator::{Generator, Items};
//!
//! enum Tree { Leaf, Node(Box<Tree>, u32, Box<Tree>) }
//! use Tree::{Leaf, Node};
//!
//! // In order, by plain recursion: each level of it is a frame on the stack.
//! fn walk(tree: &Tree, items: &Items<'_, u32>) {
//!     if let Node(left, value, right) = tree {
//!         walk(left, items);
//!         items.give(*value);
//!         walk(right, items);
//!     }
//! }
//!
//! let node = |left, value, right| Node(Box::new(left), value, Box::new(right));
//! let tree = node(node(Leaf, 1, Leaf), 2, node(Leaf, 3, Leaf));
//!
//! let values = Generator::new(move |items| walk(&tree, items))?;
//! assert_eq!(values.collect::<Vec<_>>(), [1, 2, 3]);
//! # Ok::<(), coroutines::NoStack>(())
//! ```
//!
//! The stack and the switch are corosensei's, which does on every platform what
//! [`fiber`](crate::fiber) does on one.

use std::fmt;
use std::iter::FusedIterator;

use corosensei::{Coroutine, Yielder};

use crate::no_stack::{NoStack, new_stack};

/// An iterator over what a body gives, with the body on a stack of its own.
///
/// Dropped half-way, it unwinds that stack, so that the body's destructors run.
/// It is not `Send`: what lives on the stack may belong to this thread.
pub struct Generator<T> {
    body: Coroutine<(), T, ()>,
}

impl<T: 'static> Generator<T> {
    /// A generator of what `body` gives. Nothing of it runs before the first `next`.
    ///
    /// # Errors
    ///
    /// [`NoStack`] if the kernel has no memory for its stack.
    pub fn new<F>(body: F) -> Result<Self, NoStack>
    where
        F: FnOnce(&Items<'_, T>) + 'static,
    {
        let body = Coroutine::with_stack(new_stack()?, |next: &Yielder<(), T>, ()| {
            body(&Items { next });
        });
        Ok(Self { body })
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    /// Runs the body until it gives an item; none once it has returned.
    ///
    /// # Panics
    ///
    /// With the body's own panic; from then on there are no items.
    fn next(&mut self) -> Option<T> {
        // Done after a panic, too: a dead coroutine is never resumed.
        if self.body.done() {
            return None;
        }
        self.body.resume(()).as_yield()
    }
}

impl<T: 'static> FusedIterator for Generator<T> {}

impl<T> fmt::Debug for Generator<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").finish_non_exhaustive()
    }
}

/// Where the body puts its items.
pub struct Items<'b, T> {
    next: &'b Yielder<(), T>,
}

impl<T> Items<'_, T> {
    /// Gives `item` to the caller of `next`, and stops here until it is called again.
    ///
    /// It does not return if the generator is dropped meanwhile: the stack is
    /// unwound from here. A body that catches this panic must let it go on
    /// ([`std::panic::resume_unwind`]).
    pub fn give(&self, item: T) {
        self.next.suspend(item);
    }
}

impl<T> fmt::Debug for Items<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").finish_non_exhaustive()
    }
}
