//! The queue of tasks that are ready, and the wakers that fill it.
//!
//! It has two halves: `ready`, into which wakers on any thread put keys under a
//! lock, and the executor's *round*, from which it takes them without one. When
//! a round is done, the halves are exchanged: one lock for many tasks, and a
//! task that wakes itself waits until all others have had their turn.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

/// Names a task: its place in the table, and which of those that were there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) place: usize,
    pub(super) generation: u64,
}

impl Key {
    /// The future that `block_on` was given; no place in a table.
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
    /// The executor sleeps, or is about to: who adds the next key wakes it.
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

    /// Exchanges an empty round for what is ready. If that is nothing, the next
    /// key ends the executor's sleep: it may go to sleep without looking again.
    pub(super) fn next_round(&self, round: &mut VecDeque<Key>) -> bool {
        let mut shared = self.lock();
        std::mem::swap(&mut shared.ready, round);
        shared.sleeps = round.is_empty();
        !shared.sleeps
    }

    /// The executor does not sleep any more: nobody needs to wake it.
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

    /// Nothing in the lock's scope panics, so a poisoned lock is as good as new.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a task's wakers share. It does not own the task: a future that keeps
/// its own waker is no cycle.
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

    /// To be called right before a poll: from now on a wake-up queues the task
    /// again. Whether it was queued.
    pub(super) fn polled(&self) -> bool {
        // A swap, not a store: it must see what came before *every* wake-up,
        // also before those that found the task queued and did nothing more.
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
