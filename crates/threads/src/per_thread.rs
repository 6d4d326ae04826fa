//! A value for each thread, and a list of all these values.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::thread::{self, ThreadId};

use sync::Mutex;

/// A value for each thread. It is made when the thread first uses it, and
/// [`collect`](Self::collect) returns the values of all threads in the end.
///
/// ```
/// use threads::PerThread;
///
/// let words = PerThread::new(|| 0);
/// threads::map(3, ["a b", "c", "d e f"], |line| {
///     words.with(|count| *count += line.split(' ').count()); // no other thread uses this value
/// });
/// let total: usize = words.collect().into_iter().map(|(_thread, count)| count).sum();
/// assert_eq!(total, 6);
/// ```
///
/// [`std::thread_local!`] alone cannot do that: its values are dropped with their thread before
/// another thread can see them. If a thread is still running when `main` returns, it is not even
/// certain that its values are dropped.
///
/// **In a pool** the thread does not end with the job: the next job on that thread finds the value
/// with whatever the last job left in it. [`take`](Self::take) at the end of a job prevents that.
///
/// A value outlives its thread. It lives until it is collected or this `PerThread` is dropped.
pub struct PerThread<T, F = fn() -> T> {
    /// Identifies this instance in each thread's table. Unlike an address, it is never used again.
    id: u64,
    make: F,
    slots: Mutex<Vec<(ThreadId, Arc<Slot<T>>)>>,
}

/// The value's thread locks it while it uses the value, and so does a thread that collects. Two
/// threads almost never want it at the same time.
type Slot<T> = Mutex<Content<T>>;

enum Content<T> {
    /// The value was not made yet, or it was taken.
    Empty,
    Value(T),
    /// The value was collected, and the slot is not in the list any more. Its thread needs another
    /// slot.
    Collected,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The slots of this thread, by instance. They belong to the instances. Entries of instances
    /// that were dropped are removed when this thread makes its next slot.
    static MINE: RefCell<HashMap<u64, Mine>> = RefCell::new(HashMap::new());
}

struct Mine {
    slot: Weak<dyn Any + Send + Sync>,
    in_use: bool,
}

impl<T: Send + 'static, F: Fn() -> T> PerThread<T, F> {
    /// Creates an instance without values. `make` makes a value for each thread that asks for one.
    pub fn new(make: F) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            make,
            slots: Mutex::new(Vec::new()),
        }
    }

    /// Calls `f` with this thread's value, after making the value if there is none.
    ///
    /// # Panics
    /// If it is called from within `f` on the same instance, because there would be two `&mut` to
    /// one value. Also if it is called in the destructor of a thread-local value, like
    /// [`std::thread::LocalKey::with`]. A panic of `f` continues in the caller, and the value stays
    /// as `f` left it.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let _in_use = InUse::mark(self.id);
        loop {
            let slot = self.my_slot();
            let mut content = slot.lock();
            if matches!(*content, Content::Collected) {
                continue; // another thread collected it between the two lines above
            }
            if matches!(*content, Content::Empty) {
                *content = Content::Value((self.make)());
            }
            if let Content::Value(value) = &mut *content {
                return f(value);
            }
        }
    }

    /// Takes this thread's value out; the next use makes a new one.
    ///
    /// # Panics
    /// As for [`with`](Self::with).
    pub fn take(&self) -> Option<T> {
        let _in_use = InUse::mark(self.id);
        let slot = self.my_slot();
        let mut content = slot.lock();
        match mem::replace(&mut *content, Content::Empty) {
            Content::Value(value) => Some(value),
            Content::Empty => None,
            Content::Collected => {
                *content = Content::Collected;
                None
            }
        }
    }

    /// Takes all values out, each with the id of its thread, in the order in which the threads
    /// first used them. It waits for threads that are using their values. Threads that use a value
    /// later make new ones.
    ///
    /// # Panics
    /// If it is called from within [`with`](Self::with) on the same instance, because it would wait
    /// for itself.
    pub fn collect(&self) -> Vec<(ThreadId, T)> {
        let _in_use = InUse::mark(self.id);
        let slots = mem::take(&mut *self.slots.lock());
        let values = slots.into_iter().filter_map(|(thread, slot)| {
            match mem::replace(&mut *slot.lock(), Content::Collected) {
                Content::Value(value) => Some((thread, value)),
                Content::Empty | Content::Collected => None,
            }
        });
        values.collect()
    }

    fn my_slot(&self) -> Arc<Slot<T>> {
        let known = MINE.with_borrow(|mine| mine.get(&self.id)?.slot.upgrade());
        if let Some(Ok(slot)) = known.map(Arc::downcast::<Slot<T>>)
            && !matches!(*slot.lock(), Content::Collected)
        {
            return slot;
        }
        let slot = Arc::new(Mutex::new(Content::Empty));
        let mine: Arc<dyn Any + Send + Sync> = Arc::clone(&slot) as _;
        MINE.with_borrow_mut(|all| {
            all.retain(|_, mine| mine.in_use || mine.slot.strong_count() > 0);
            if let Some(entry) = all.get_mut(&self.id) {
                entry.slot = Arc::downgrade(&mine);
            }
        });
        self.slots
            .lock()
            .push((thread::current().id(), Arc::clone(&slot)));
        slot
    }
}

impl<T, F> fmt::Debug for PerThread<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerThread").finish_non_exhaustive()
    }
}

/// Marks that this thread uses its value of one instance, until the end of the scope.
struct InUse(u64);

impl InUse {
    fn mark(id: u64) -> Self {
        let before = MINE.with_borrow_mut(|mine| {
            let entry = mine.entry(id).or_insert_with(|| Mine {
                slot: Weak::<()>::new(),
                in_use: false,
            });
            mem::replace(&mut entry.in_use, true)
        });
        assert!(
            !before,
            "this thread is using its value already; leave the one `with` before the next"
        );
        Self(id)
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        let _ending = MINE.try_with(|mine| {
            if let Some(entry) = mine.borrow_mut().get_mut(&self.0) {
                entry.in_use = false;
            }
        });
    }
}
