//! An executor runs many futures on one thread.
//!
//! ```
//! use coroutines::executor::Executor;
//! use coroutines::budget::yield_now;
//!
//! let executor = Executor::new();
//! let square = executor.spawn(async {
//!     yield_now().await;
//!     7 * 7
//! });
//! assert_eq!(executor.block_on(square).unwrap(), 49);
//! ```
//!
//! A *task* is a future with a place in the executor's table. Its waker puts
//! the task's key into the queue, unless the key is in the queue already. The
//! executor takes a key from the queue and polls that task. When the queue is
//! empty, the thread sleeps.
//!
//! ```text
//!   spawn ──▶ queue ──▶ poll ──▶ ready: the JoinHandle has the output
//!               ▲         │
//!               └─ waker ◀┴──▶ pending: it stays in the table until it is woken
//! ```
//!
//! The futures stay on this thread and need not be `Send`. Their wakers may go
//! to any thread.

mod handle;
mod queue;
mod table;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use handle::{Ending, Outcome};
use sync::Parker;

use crate::budget;
use crate::reactor::Reactor;
pub use handle::{JoinError, JoinHandle};
use queue::{Key, Queue, TaskWaker};
use table::{Table, Task};

/// The number of polls after which the reactor gets a turn, at the end of that
/// round. Tasks that are always ready must not starve the tasks that wait for
/// the kernel. But asking the kernel costs more than many polls.
const POLLS_PER_TURN: u32 = 64;

/// Runs futures on the thread that calls [`block_on`](Self::block_on).
///
/// Dropping it drops all tasks that have not ended.
pub struct Executor {
    spawner: Spawner,
    /// The keys that are left in this round.
    round: RefCell<VecDeque<Key>>,
    sleep: Sleep,
}

/// Where the thread sleeps while no task is ready.
enum Sleep {
    Parker(Parker),
    Reactor(Reactor),
}

impl Default for Executor {
    fn default() -> Self {
        let parker = Parker::new();
        let unparker = parker.unparker();
        Self::sleeping(Sleep::Parker(parker), move || unparker.unpark())
    }
}

impl Executor {
    /// Makes an executor that sleeps in a [`Parker`]. It is for tasks that
    /// other tasks or other threads wake.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes an executor that sleeps in a reactor. It is also for tasks that
    /// wait for a deadline or a descriptor.
    pub fn with_reactor(reactor: Reactor) -> Self {
        let bell = reactor.bell();
        Self::sleeping(Sleep::Reactor(reactor), move || bell.ring())
    }

    fn sleeping(sleep: Sleep, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let queue = Arc::new(Queue::new(wake));
        let table = Rc::new(Table::default());
        Self {
            spawner: Spawner { table, queue },
            round: RefCell::default(),
            sleep,
        }
    }

    /// Puts a new task at the end of the queue. Tasks run only during a call of
    /// [`block_on`](Self::block_on).
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        self.spawner.spawn(future)
    }

    /// Returns a handle with which tasks can spawn other tasks.
    pub fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// Runs `future` and the tasks until `future` is ready. Tasks that have not
    /// ended by then continue in the next call.
    ///
    /// # Panics
    ///
    /// Panics with `future`'s panic if `future` panics. (A task's panic goes to
    /// the task's [`JoinHandle`].) Also panics if a task of the same executor
    /// calls this, because the call would never end.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let table = &self.spawner.table;
        assert!(
            table.enter(),
            "block_on was called within a task of the same executor: await the future there"
        );
        // Calls `leave` on every way out, also when a panic unwinds.
        let _leave = Leave(table);
        let mut future = pin!(future);
        let queue = &self.spawner.queue;
        let main = TaskWaker::new(Key::MAIN, queue);
        let waker = Waker::from(Arc::clone(&main));
        main.wake_by_ref();
        let mut polls = 0_u32;
        loop {
            while let Some(key) = self.next() {
                polls = polls.saturating_add(1);
                if key != Key::MAIN {
                    self.poll_task(key);
                } else if main.polled() {
                    let mut context = Context::from_waker(&waker);
                    let poll = || future.as_mut().poll(&mut context);
                    if let Poll::Ready(output) = budget::with_new(poll) {
                        return output;
                    }
                } // else the key is left over from an earlier block_on
            }
            let idle = !queue.next_round(&mut self.round.borrow_mut());
            if idle || polls >= POLLS_PER_TURN {
                self.rest(idle);
                polls = 0;
            }
        }
    }

    /// A separate function, so that the round is not borrowed while a task runs.
    fn next(&self) -> Option<Key> {
        self.round.borrow_mut().pop_front()
    }

    fn poll_task(&self, key: Key) {
        let Some(mut task) = self.spawner.table.take(key) else {
            return; // the task ended or was cancelled after it was woken
        };
        // Before the poll, so that a wake-up during the poll is not lost.
        task.waker.polled();
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::from_waker(&task.std_waker);
            budget::with_new(|| task.future.as_mut().poll(&mut context))
        }));
        match polled {
            Ok(Poll::Pending) => self.spawner.table.put_back(key, task),
            Ok(Poll::Ready(())) => drop(self.spawner.table.free(key)),
            Err(payload) => {
                drop(self.spawner.table.free(key));
                task.ending.panicked(payload);
            }
        }
    }

    /// Wakes the tasks that are due in the reactor, if there is one. If `idle`,
    /// first sleeps until there is something to do.
    fn rest(&self, idle: bool) {
        match &self.sleep {
            Sleep::Parker(parker) if idle => parker.park(),
            Sleep::Parker(_) => {}
            Sleep::Reactor(reactor) => {
                let due = reactor.due(idle);
                // Before we call the wakers: this thread is awake, so they need
                // not wake it.
                self.spawner.queue.awake();
                due.into_iter().for_each(Waker::wake);
            }
        }
    }
}

struct Leave<'t>(&'t Table);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.spawner.table.close();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("tasks", &self.spawner.table.len())
            .finish_non_exhaustive()
    }
}

/// Puts tasks into an executor's queue. It stays on the executor's thread.
#[derive(Clone)]
pub struct Spawner {
    table: Rc<Table>,
    queue: Arc<Queue>,
}

impl Spawner {
    /// Puts a new task at the end of the queue. If the executor is gone, this
    /// drops the future, and awaiting the handle gives
    /// [`JoinError::Cancelled`].
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        let outcome = Rc::new(Outcome::default());
        let ours = Rc::clone(&outcome);
        let future = Box::pin(async move { ours.returned(future.await) });
        let ending: Rc<dyn Ending> = Rc::clone(&outcome) as _;
        let key = self.table.reserve();
        let waker = TaskWaker::new(key, &self.queue);
        let std_waker = Waker::from(Arc::clone(&waker));
        waker.wake_by_ref();
        let task = Task {
            future,
            ending,
            waker,
            std_waker,
        };
        self.table.put_back(key, task);
        JoinHandle::new(outcome, Rc::downgrade(&self.table), key)
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}
