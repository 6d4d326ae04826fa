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

use crate::{Mutex, MutexGuard};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::Arc;

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
/// Every lock of the family goes through one table, so this is for tests and debugging.
#[derive(Clone, Default)]
pub struct LockOrder {
    table: Arc<Mutex<Table>>,
}

impl LockOrder {
    /// Of no locks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A mutex of this family around `value`. The name is for the report and need not be unique.
    pub fn mutex<T>(&self, name: impl Into<String>, value: T) -> OrderedMutex<T> {
        let mut table = self.table.lock();
        let id = table.next_id;
        table.next_id += 1;
        table.locks.insert(
            id,
            Node {
                name: name.into(),
                before: Vec::new(),
            },
        );
        drop(table);
        OrderedMutex {
            id,
            order: self.clone(),
            mutex: Mutex::new(value),
        }
    }

    /// Where this family's table is: the locks that a thread holds may be of several families.
    fn family(&self) -> usize {
        Arc::as_ptr(&self.table).addr()
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
        let family = self.order.family();
        let mut held = Vec::new();
        with_held(|all| held.extend(all.iter().filter(|held| held.family == family).copied()));
        self.order.table.lock().admit(&held, self.id, at)?;
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
        self.order.table.lock().forget(self.id);
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
        let (family, lock) = (of.order.family(), of.id);
        with_held(|held| held.push(Held { family, lock, at }));
        Self {
            of,
            guard,
            stays: PhantomData,
        }
    }
}

impl<T> Drop for OrderedGuard<'_, T> {
    fn drop(&mut self) {
        let (family, lock) = (self.of.order.family(), self.of.id);
        with_held(|held| held.retain(|held| (held.family, held.lock) != (family, lock)));
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

thread_local! {
    /// What this thread holds, in the order of taking.
    static HELD: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy)]
struct Held {
    family: usize,
    lock: u64,
    at: Place,
}

fn with_held(f: impl FnOnce(&mut Vec<Held>)) {
    // A thread whose thread-local values are being dropped has no list any more. What it locks in
    // their destructors is locked, and not checked.
    let _ending = HELD.try_with(|held| f(&mut held.borrow_mut()));
}

/// The graph: for each lock, those that were taken while it was held.
#[derive(Default)]
struct Table {
    next_id: u64,
    locks: HashMap<u64, Node>,
}

struct Node {
    name: String,
    /// It came before these; and where they were taken when that was first seen.
    before: Vec<(u64, Place)>,
}

impl Table {
    /// Draws an arrow from all that are held to `wanted`, or finds that one of them would close a
    /// circle.
    fn admit(&mut self, held: &[Held], wanted: u64, at: Place) -> Result<(), OrderViolation> {
        for held in held {
            if self.is_before(held.lock, wanted) {
                continue; // seen before, and no circle then
            }
            if let Some(mut circle) = self.path(wanted, held.lock) {
                circle.push(self.arrow(held.lock, wanted, at));
                let held_since = held.at;
                return Err(OrderViolation { circle, held_since });
            }
        }
        for held in held {
            if !self.is_before(held.lock, wanted)
                && let Some(node) = self.locks.get_mut(&held.lock)
            {
                node.before.push((wanted, at));
            }
        }
        Ok(())
    }

    fn after(&self, lock: u64) -> &[(u64, Place)] {
        self.locks.get(&lock).map_or(&[], |node| &node.before)
    }

    fn is_before(&self, first: u64, then: u64) -> bool {
        self.after(first).iter().any(|(after, _)| *after == then)
    }

    /// The shortest way along the arrows from one lock to another, if there is one; no arrow at all
    /// from a lock to itself. Breadth first.
    fn path(&self, from: u64, to: u64) -> Option<Vec<Arrow>> {
        let mut came_from: HashMap<u64, (u64, Place)> = HashMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(lock) = queue.pop_front() {
            if lock == to {
                return Some(self.retrace(&came_from, from, to));
            }
            for &(after, at) in self.after(lock) {
                came_from.entry(after).or_insert_with(|| {
                    queue.push_back(after);
                    (lock, at)
                });
            }
        }
        None
    }

    fn retrace(&self, came_from: &HashMap<u64, (u64, Place)>, from: u64, to: u64) -> Vec<Arrow> {
        let mut path = Vec::new();
        let mut lock = to;
        while lock != from
            && let Some(&(earlier, at)) = came_from.get(&lock)
        {
            path.push(self.arrow(earlier, lock, at));
            lock = earlier;
        }
        path.reverse();
        path
    }

    fn arrow(&self, holding: u64, taken: u64, at: Place) -> Arrow {
        let name = |lock| {
            let node = self.locks.get(lock);
            node.map_or_else(String::new, |node| node.name.clone())
        };
        Arrow {
            holding: name(&holding),
            taken: name(&taken),
            at,
        }
    }

    /// A lock that is gone cannot be waited for any more.
    fn forget(&mut self, lock: u64) {
        self.locks.remove(&lock);
        for node in self.locks.values_mut() {
            node.before.retain(|(after, _)| *after != lock);
        }
    }
}

/// Taking this lock now could deadlock; it was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderViolation {
    circle: Vec<Arrow>,
    held_since: Place,
}

/// One lock was taken while another was held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The name of the lock that was held.
    pub holding: String,
    /// The name of the lock that was taken.
    pub taken: String,
    /// Where that was.
    pub at: &'static Location<'static>,
}

impl OrderViolation {
    /// The circle: what one arrow's thread takes, the next arrow's holds. The last arrow is the
    /// refused one, and the only one if a lock would have been taken twice.
    #[must_use]
    pub fn circle(&self) -> &[Arrow] {
        &self.circle
    }
}

impl fmt::Display for OrderViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((refused, elsewhere)) = self.circle.split_last() else {
            return f.write_str("an empty circle");
        };
        let (wanted, held, since) = (&refused.taken, &refused.holding, self.held_since);
        if elsewhere.is_empty() {
            return write!(
                f,
                "taking `{wanted}` at {} would wait for ever: this thread has held it since {since}; release it first",
                refused.at
            );
        }
        write!(
            f,
            "taking `{wanted}` at {} can deadlock: `{wanted}`",
            refused.at
        )?;
        for arrow in &self.circle {
            write!(f, " → `{}`", arrow.taken)?;
        }
        write!(f, "\n  this thread has held `{held}` since {since}")?;
        for Arrow { holding, taken, at } in elsewhere {
            write!(f, "\n  `{taken}` was taken under `{holding}` at {at}")?;
        }
        f.write_str("\n  take them in the same order everywhere")
    }
}

impl Error for OrderViolation {}
