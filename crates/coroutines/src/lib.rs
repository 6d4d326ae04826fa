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
//! | [`block_on()`] | what the compiler found to be needed: a future | a waker |
//! | [`executor`] | the same, for many | wakers, and a queue |
//! | [`event_loop`] | what a callback has captured | time and descriptors |
//!
//! Beneath: a [`parker`] to sleep in until another thread wakes it, and a
//! [`reactor`] to sleep in until time or a descriptor does. And since nobody is
//! interrupted here, everybody must be considerate: [`budget`].

mod block_on;
pub mod budget;
pub mod event_loop;
pub mod executor;
pub mod fiber;
pub mod generator;
mod no_stack;
pub mod parker;
mod poller;
pub mod reactor;
pub mod round_robin;
mod timers;

pub use block_on::block_on;
pub use no_stack::NoStack;
