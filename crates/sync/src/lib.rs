//! Locks, semaphores and monitors, each built from atomics and a futex.
//!
//! Every primitive here is one word (or two) that threads change with atomic operations, plus a
//! way to sleep until that word changes. The way to sleep is the kernel's futex(2); everything
//! else is in the file that you read.
//!
//! | to | use | made of |
//! |---|---|---|
//! | let one thread at a time at a value | [`Mutex`] | three states and a futex |
//! | the same for a handful of instructions | [`SpinLock`] | one bit, no kernel |
//! | let many readers or one writer at it | [`RwLock`] | a count, two flags, two futexes |
//! | wait until a value is as you want it | [`Monitor`], [`Condvar`] | a mutex and a counter |
//! | admit so many at a time | [`Semaphore`] | a count of permits and one of waiters |
//! | go on together | [`Barrier`] | a mutex, a condition, a generation |
//! | put one thread to sleep | [`Parker`] | three states and a futex |
//! | sleep until there is work, anywhere | [`EventCount`] | an epoch and a count of sleepers |
//! | find a deadlock before it happens | [`LockOrder`] | a graph of which lock came before which |
//!
//! ```
//! use sync::Mutex;
//!
//! let counter = Mutex::new(0);
//! std::thread::scope(|scope| {
//!     for _ in 0..4 {
//!         scope.spawn(|| *counter.lock() += 1);
//!     }
//! });
//! assert_eq!(counter.into_inner(), 4);
//! ```
//!
//! # What holds for all of them
//!
//! - **Panics.** No lock is poisoned. A guard that is dropped by a panic unlocks, and the next
//!   holder finds the value as the panic left it. std's locks warn of that with an error that
//!   most programs unwrap; here whoever changes a value in several steps must be able to stop
//!   between any two of them.
//! - **Signals.** A signal handler may run while a thread waits; the wait goes on afterwards, and
//!   a deadline is not prolonged by it.
//! - **Fairness.** None is promised: who comes may overtake who sleeps. Nobody sleeps through a
//!   chance, though: whenever a waiter could go on, one has been woken or is awake already.
//! - **Reentrance.** None: a thread that takes a lock twice waits for itself. [`LockOrder`] says
//!   so instead of waiting.
//! - **Processes.** The futexes are private: these primitives work between threads, not in memory
//!   that is shared with another process.
//!
//! # How this is tested
//!
//! The same sources are compiled two more times, against a std whose schedules are explored and
//! against one whose memory orderings are; see `tests/explored.rs`.

mod barrier;
mod condvar;
mod deadline;
mod event_count;
mod lock_order;
mod monitor;
mod mutex;
mod parker;
mod rwlock;
mod semaphore;
mod spin;
mod spin_lock;

pub use barrier::Barrier;
pub use condvar::Condvar;
pub use deadline::TimedOut;
pub use event_count::EventCount;
pub use lock_order::{Arrow, LockOrder, OrderViolation, OrderedGuard, OrderedMutex};
pub use monitor::{Inside, Monitor};
pub use mutex::{Mutex, MutexGuard};
pub use parker::{Parker, Unparker};
pub use rwlock::{ReadGuard, RwLock, WriteGuard};
pub use semaphore::{Permit, Semaphore, TooManyPermits};
pub use spin_lock::{SpinGuard, SpinLock};
