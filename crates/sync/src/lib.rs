//! Locks, semaphores and monitors, each built from atomics and a futex.
//!
//! Most primitives here are one or two words that threads change with atomic operations, plus a way
//! to sleep until such a word changes. The way to sleep is the kernel's futex(2). The rest of each
//! primitive is in its own file.
//!
//! | to | use | made of |
//! |---|---|---|
//! | let one thread at a time use a value | [`Mutex`] | three states and a futex |
//! | do the same for a handful of instructions | [`SpinLock`] | one bit, no futex |
//! | let many readers or one writer use a value | [`RwLock`] | a count of readers, two flags, two futexes |
//! | wait until a value meets a condition | [`Monitor`], [`Condvar`] | a mutex and a counter |
//! | admit a limited number of threads at a time | [`Semaphore`] | a count of permits and a count of waiters |
//! | let a group of threads go on together | [`Barrier`] | a mutex, a condition variable, a generation number |
//! | put one thread to sleep until another wakes it | [`Parker`] | three states and a futex |
//! | sleep until data without a lock changes | [`EventCount`] | an epoch and a count of sleepers |
//! | find a deadlock before it happens | [`LockOrder`] | a graph of which lock was taken before which |
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
//! - **Panics.** No lock is poisoned. When a panic drops a guard, the guard unlocks, and the next
//!   holder finds the value as the panic left it. std's locks report this with an error that most
//!   programs unwrap. Here, code that changes a value in several steps must be able to stop between
//!   any two of them.
//! - **Signals.** A signal handler may run while a thread waits. The thread waits again afterwards,
//!   and the signal does not extend a deadline. Only [`Condvar::wait`] may return early, as it may
//!   for no reason at all.
//! - **Fairness.** No primitive is fair: a thread that arrives may overtake a thread that sleeps.
//!   But no thread sleeps through its chance: whenever a waiter could go on, at least one waiter
//!   has been woken or is awake already.
//! - **Reentrance.** No lock is reentrant: a thread that takes a lock twice waits for itself.
//!   [`LockOrder`] reports that instead of waiting.
//! - **Processes.** The futexes are private: these primitives work between the threads of one
//!   process, not in memory that is shared with another process.
//!
//! # How this is tested
//!
//! The same sources are compiled two more times. One build replaces std by a version that explores
//! thread schedules, the other by a version that explores memory orderings; see
//! `tests/explored.rs`.

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
