//! A lock-order checker: finds the deadlock in the order of locking, before it happens.
//!
//! A thread that takes `b` while it holds `a` draws an arrow from `a` to `b`. A deadlock needs a
//! circle of threads, each waiting for what the next one holds, and that is a circle of arrows. The
//! arrows stay when the locks are released, so the circle shows even if the threads never met:
//!
//! ```text
//!   thread 1: a, then b        a ───▶ b
//!   thread 2: b, then c        ▲      │
//!   thread 3: c, then a        └─ c ◀─┘     refused: a → b → c → a
//! ```

mod graph;
mod violation;

pub use violation::{Arrow, OrderViolation};

use crate::{Mutex, MutexGuard};
use graph::Graph;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A place in the source.
type Place = &'static Location<'static>;

/// The order in which a family of locks is taken, as seen so far.
///
/// ```
/// let order = sync::LockOrder::new();
/// let (a, b) = (order.mutex("a", 1), order.mutex("b", 2));
///
/// let first = a.lock().unwrap();
/// let second = b.lock().unwrap();
/// drop((first, second));
///
/// let first = b.lock().unwrap();
/// let refused = a.lock().unwrap_err(); // another thread could hold it and wait for b
/// assert!(refused.to_string().contains("`a` → `b` → `a`"));
/// ```
///
/// It knows only what has happened: an order that no run has taken is not checked. And it judges
/// the order alone: two opposite orders under a third lock that keeps them apart are refused too.
/// Linux checks its own locks in this way (Documentation/locking/lockdep-design.rst).
///
/// Every lock of the family goes through one graph, so this is for tests and debugging.
#[derive(Clone, Default)]
pub struct LockOrder {
    graph: Arc<Mutex<Graph>>,
}

impl LockOrder {
    /// Of no locks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A mutex of this family around `value`. The name is for the report and need not be unique.
    pub fn mutex<T>(&self, name: impl Into<String>, value: T) -> OrderedMutex<T> {
        let id = NEXT_ID.fetch_add(1, Relaxed);
        self.graph.lock().add(id, name.into());
        OrderedMutex {
            id,
            order: self.clone(),
            mutex: Mutex::new(value),
        }
    }
}

impl fmt::Debug for LockOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockOrder").finish_non_exhaustive()
    }
}

/// A [`Mutex`] that refuses to be taken in an order that can deadlock.
pub struct OrderedMutex<T> {
    id: u64,
    order: LockOrder,
    mutex: Mutex<T>,
}

impl<T> OrderedMutex<T> {
    /// Waits until nobody holds the mutex, and takes it; unless that could deadlock.
    ///
    /// # Errors
    /// [`OrderViolation`] if this thread holds it already, or holds one that is, directly or by way
    /// of others, taken after it elsewhere. Then nothing is taken and nothing is remembered.
    #[track_caller]
    pub fn lock(&self) -> Result<OrderedGuard<'_, T>, OrderViolation> {
        let at = Location::caller();
        let mut held = Vec::new();
        with_held(|all| held.clone_from(all));
        self.order.graph.lock().admit(&held, self.id, at)?;
        let guard = self.mutex.lock();
        Ok(OrderedGuard::new(self, guard, at))
    }

    /// Takes the mutex if nobody holds it. It never waits, so it cannot be the one that closes a
    /// circle, and any order is allowed; but others may come after it.
    #[track_caller]
    pub fn try_lock(&self) -> Option<OrderedGuard<'_, T>> {
        let guard = self.mutex.try_lock()?;
        Some(OrderedGuard::new(self, guard, Location::caller()))
    }
}

impl<T> Drop for OrderedMutex<T> {
    fn drop(&mut self) {
        self.order.graph.lock().forget(self.id);
    }
}

impl<T: fmt::Debug> fmt::Debug for OrderedMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mutex.fmt(f)
    }
}

/// The right to use the value of an [`OrderedMutex`]; dropping it, in whatever order, unlocks.
#[must_use = "the mutex is unlocked at once if the guard is not kept"]
pub struct OrderedGuard<'a, T> {
    of: &'a OrderedMutex<T>,
    guard: MutexGuard<'a, T>,
    /// What a thread holds is noted in that thread, so the guard must not leave it.
    stays: PhantomData<*const ()>,
}

// SAFETY: only `&T` is to be had from a shared guard, as from `MutexGuard`, which is `Sync` if `T`
// is; the marker is there against sending.
unsafe impl<T: Sync> Sync for OrderedGuard<'_, T> {}

impl<'a, T> OrderedGuard<'a, T> {
    fn new(of: &'a OrderedMutex<T>, guard: MutexGuard<'a, T>, at: Place) -> Self {
        with_held(|held| held.push(Held { lock: of.id, at }));
        Self {
            of,
            guard,
            stays: PhantomData,
        }
    }
}

impl<T> Drop for OrderedGuard<'_, T> {
    fn drop(&mut self) {
        with_held(|held| held.retain(|held| held.lock != self.of.id));
    }
}

impl<T> Deref for OrderedGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for OrderedGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

impl<T: fmt::Debug> fmt::Debug for OrderedGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.guard.fmt(f)
    }
}

/// Tells the locks of all families apart, for good.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// What this thread holds, in the order of taking.
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Held {
    lock: u64,
    at: Place,
}

fn with_held(f: impl FnOnce(&mut Vec<Held>)) {
    // A thread whose thread-local values are being dropped has no list any more. What it locks in
    // their destructors is locked, and not checked.
    let _ending = HELD.try_with(|held| f(&mut held.borrow_mut()));
}
