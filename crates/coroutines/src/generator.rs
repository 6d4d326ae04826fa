//! A generator: an iterator whose body is a function that stops at each item.
//!
//! The body is ordinary code with loops, calls and recursion. You need not
//! rewrite it as a `next` method that stores its position in a struct. The body
//! has a stack of its own, and that stack keeps the position between two items.
//!
//! ```
//! use coroutines::generator::{Generator, Items};
//!
//! enum Tree { Leaf, Node(Box<Tree>, u32, Box<Tree>) }
//! use Tree::{Leaf, Node};
//!
//! // Visits the values in order, by plain recursion: each level is a frame.
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
//! # Ok::<(), coroutines::fiber::StackError>(())
//! ```
//!
//! The stack and the switch are those of [`fiber`](crate::fiber). The crate
//! corosensei does the same on many platforms; the exercise `fiber-generator`
//! and the benches use it.

use std::fmt;
use std::iter::FusedIterator;

use crate::fiber::{Fiber, StackError, Step, Suspender};

/// An iterator over the items that its body gives. The body runs on a stack of
/// its own.
///
/// Dropping the generator before the body has returned unwinds that stack, so
/// that the body's destructors run. A generator is not `Send`, because what
/// lives on the stack may belong to this thread.
pub struct Generator<T: 'static> {
    body: Fiber<(), T, ()>,
}

impl<T: 'static> Generator<T> {
    /// Makes a generator of the items that `body` gives. Nothing of `body` runs
    /// before the first `next`.
    ///
    /// # Errors
    ///
    /// [`StackError::NoMemory`] if the kernel refuses the memory for its stack,
    /// and [`StackError::TooSmall`] if `body` itself, with all that it owns,
    /// does not fit on the stack.
    pub fn new<F>(body: F) -> Result<Self, StackError>
    where
        F: FnOnce(&Items<'_, T>) + 'static,
    {
        let body = Fiber::new(|next: &Suspender<(), T>, ()| body(&Items { next }))?;
        Ok(Self { body })
    }
}

impl<T: 'static> Iterator for Generator<T> {
    type Item = T;

    /// Runs the body until it gives an item. Returns `None` once the body has
    /// returned.
    ///
    /// # Panics
    ///
    /// Panics with the body's panic if the body panics. From then on there are
    /// no items.
    fn next(&mut self) -> Option<T> {
        // A fiber has ended after a panic, too.
        match self.body.try_resume(()) {
            Ok(Step::Yield(item)) => Some(item),
            Ok(Step::Return(())) | Err(_) => None,
        }
    }
}

impl<T: 'static> FusedIterator for Generator<T> {}

impl<T: 'static> fmt::Debug for Generator<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generator").finish_non_exhaustive()
    }
}

/// The body's handle for giving its items to the caller of `next`.
pub struct Items<'b, T> {
    next: &'b Suspender<(), T>,
}

impl<T> Items<'_, T> {
    /// Gives `item` to the caller of `next`, and waits here until `next` is
    /// called again.
    ///
    /// If the generator is dropped meanwhile, this call does not return: a
    /// panic unwinds the stack from here. A body that catches this panic must
    /// pass it on with [`std::panic::resume_unwind`].
    pub fn give(&self, item: T) {
        self.next.suspend(item);
    }
}

impl<T> fmt::Debug for Items<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Items").finish_non_exhaustive()
    }
}
