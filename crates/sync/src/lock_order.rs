//! A lock-order checker: it finds a deadlock in the order of locking before the deadlock happens.
//!
//! When a thread takes `b` while it holds `a`, the checker draws an arrow from `a` to `b`. In a
//! deadlock, threads wait in a cycle: each waits for a lock that the next one holds. Their locks
//! then form a cycle of arrows. The arrows stay when the locks are released, so the checker finds
//! the cycle even if the threads never ran at the same time:
//!
//! ```text
//!   thread 1: a, then b        a ───▶ b
//!   thread 2: b, then c        ▲      │
//!   thread 3: c, then a        └─ c ◀─┘     refused: a → b → c → a
//! ```

mod graph;
mod violation;

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use graph::Graph;

use crate::{Mutex, MutexGuard};
pub use violation::{Arrow, OrderViolation};

/// A place in the source.
type Place = &'static Location<'static>;

/// The order in which threads take the locks of one family, as seen so far. A family is all locks
/// that were made by the same `LockOrder` or its clones.
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
/// The checker knows only what has happened: it does not check an order that no run has taken. It
/// also judges the order alone: it refuses two opposite orders even if a third lock keeps the two
/// threads apart. Linux checks its own locks in the same way
/// (Documentation/locking/lockdep-design.rst).
///
/// Locking any lock of the family goes through one shared graph, so use this for tests and
/// debugging.
#[derive(Clone, Default)]
pub struct LockOrder {
    graph: Arc<Mutex<Graph>>,
}

impl LockOrder {
    /// Makes a family without locks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a mutex of this family around `value`. The name appears in reports and need not be
    /// unique.
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
    /// Waits until no thread holds the mutex, and takes it, unless that could deadlock.
    ///
    /// # Errors
    /// [`OrderViolation`] if this thread holds the mutex already, or if it holds another lock that
    /// some thread took, directly or by way of further locks, while it held this mutex. In that
    /// case `lock` takes nothing and records nothing.
    #[track_caller]
    pub fn lock(&self) -> Result<OrderedGuard<'_, T>, OrderViolation> {
        let at = Location::caller();
        let mut held = Vec::new();
        with_held(|all| held.clone_from(all));
        self.order.graph.lock().admit(&held, self.id, at)?;
        let guard = self.mutex.lock();
        Ok(OrderedGuard::new(self, guard, at))
    }

    /// Takes the mutex if no thread holds it. This call never waits, so it cannot be the call that
    /// closes a cycle, and every order is allowed. But once the mutex is held, the order of further
    /// locks is checked against it.
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

/// Proof that this thread holds an [`OrderedMutex`], with access to the value. Dropping it unlocks
/// the mutex. Guards may be dropped in any order.
#[must_use = "the mutex is unlocked at once if the guard is not kept"]
pub struct OrderedGuard<'a, T> {
    of: &'a OrderedMutex<T>,
    guard: MutexGuard<'a, T>,
    /// Each thread keeps its own list of the locks that it holds, so the guard must stay in its
    /// thread.
    stays: PhantomData<*const ()>,
}

// SAFETY: a shared guard gives out only `&T`, like a shared `MutexGuard`, which is `Sync` if `T`
// is. The marker's only purpose is to forbid sending.
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

/// The number of the next lock. A number is never used twice, in any family.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The locks that this thread holds, in the order in which it took them.
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Held {
    lock: u64,
    at: Place,
}

fn with_held(f: impl FnOnce(&mut Vec<Held>)) {
    // While a thread's thread-local values are being dropped, its list may be gone already. Locks
    // that their destructors then take are locked, but not checked.
    let _ending = HELD.try_with(|held| f(&mut held.borrow_mut()));
}
