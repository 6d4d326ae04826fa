//! Fibers, generators, a scheduler, an executor, a reactor and an event loop.
//!
//! All of them interleave several activities on *one* thread, and none of them
//! asks the kernel to switch. They differ in what a waiting activity keeps and
//! in what makes it continue:
//!
//! | module | what a waiting activity keeps | what makes it continue |
//! |---|---|---|
//! | [`fiber`] | a whole stack | the owner of the fiber calls `resume` |
//! | [`generator`] | a whole stack | the caller calls `next` |
//! | [`round_robin`] | a whole stack | its turn in a queue |
//! | [`block_on()`] | a future: only what the compiler found to be needed | a waker |
//! | [`executor`] | a future for each task | a waker, and then its turn in a queue |
//! | [`event_loop`] | what its callback has captured | a timer, a descriptor or a posted job |
//!
//! The thread sleeps while no activity can continue: in a [`sync::Parker`] until
//! another thread wakes it, or in a [`reactor`] until a deadline has come or a
//! file descriptor is ready. No activity
//! here is ever preempted by another, so an activity that runs for long must
//! yield by itself; [`budget`] helps with that.

mod block_on;
pub mod budget;
pub mod event_loop;
pub mod executor;
pub mod fiber;
pub mod generator;
mod poller;
pub mod reactor;
pub mod round_robin;
mod timers;

pub use block_on::block_on;
