//! Fibers, generators, a scheduler, an executor, a reactor and an event loop.
//!
//! All of them interleave several activities on *one* thread, and none asks the
//! kernel to switch. They differ in what is kept while an activity waits:
//!
//! | here | what is kept | who says when to go on |
//! |---|---|---|
//! | [`fiber`] | a whole stack | whoever holds the fiber |
//! | [`generator`] | a whole stack | `next()` |
//! | [`round_robin`] | a whole stack each | a queue |

pub mod fiber;
pub mod generator;
mod no_stack;
pub mod round_robin;

pub use no_stack::NoStack;
