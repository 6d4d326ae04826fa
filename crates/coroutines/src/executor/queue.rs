//! The queue of tasks that are ready, and the wakers that fill it.
//!
//! It has two halves. Wakers on any thread put keys into `ready`, under a lock.
//! The executor takes keys from its *round*, without a lock. When the round is
//! empty, the executor exchanges the halves. So it takes the lock once for many
//! tasks, and a task that wakes itself waits until all other ready tasks have
//! had their turn.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

/// Identifies a task: its place in the table, and a generation that
/// distinguishes it from the earlier tasks in that place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) place: usize,
    pub(super) generation: u64,
}

impl Key {
    /// Stands for the future that `block_on` runs. It has no place in the table.
    pub(super) const MAIN: Self = Self {
        place: usize::MAX,
        generation: 0,
    };
}

pub(super) struct Queue {
    shared: Mutex<Shared>,
    /// Ends the executor's sleep.
    wake: Box<dyn Fn() + Send + Sync>,
}

struct Shared {
    ready: VecDeque<Key>,
    /// The executor sleeps, or is about to. The thread that adds the next key
    /// wakes it.
    sleeps: bool,
}

impl Queue {
    pub(super) fn new(wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            shared: Mutex::new(Shared {
                ready: VecDeque::new(),
                sleeps: false,
            }),
            wake: Box::new(wake),
        }
    }

    /// Exchanges the empty round for the keys that are ready. Returns false if
    /// there are none. Then the next key ends the executor's sleep, so the
    /// executor may go to sleep without looking again.
    pub(super) fn next_round(&self, round: &mut VecDeque<Key>) -> bool {
        let mut shared = self.lock();
        std::mem::swap(&mut shared.ready, round);
        shared.sleeps = round.is_empty();
        !shared.sleeps
    }

    /// Notes that the executor does not sleep any more, so that the thread that
    /// adds the next key need not wake it.
    pub(super) fn awake(&self) {
        self.lock().sleeps = false;
    }

    fn push(&self, key: Key) {
        let mut shared = self.lock();
        shared.ready.push_back(key);
        let wake = std::mem::take(&mut shared.sleeps);
        drop(shared);
        if wake {
            (self.wake)();
        }
    }

    /// Takes the lock. No code panics while it holds the lock, so a poisoned
    /// lock needs no special care.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state that all wakers of a task share. It does not own the task, so a
/// future that keeps its own waker does not form a reference cycle.
pub(super) struct TaskWaker {
    key: Key,
    queued: AtomicBool,
    queue: Arc<Queue>,
}

impl TaskWaker {
    pub(super) fn new(key: Key, queue: &Arc<Queue>) -> Arc<Self> {
        Arc::new(Self {
            key,
            queued: AtomicBool::new(false),
            queue: Arc::clone(queue),
        })
    }

    /// Call this right before a poll: from now on a wake-up queues the task
    /// again. Returns whether the task was queued.
    pub(super) fn polled(&self) -> bool {
        // A swap and not a store: the poll must see what happened before
        // *every* wake-up, also before a wake-up that found the task queued
        // already and did nothing more.
        self.queued.swap(false, Ordering::AcqRel)
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.queue.push(self.key);
        }
    }
}
