//! The table of tasks.
//!
//! When a task has ended, a new task may get its place. So a key names the
//! place *and* a generation: a wake-up that comes too late finds that its task
//! is gone.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use super::handle::Ending;
use super::queue::{Key, TaskWaker};

pub(super) struct Task {
    pub(super) future: Pin<Box<dyn Future<Output = ()>>>,
    pub(super) ending: Rc<dyn Ending>,
    pub(super) waker: Arc<TaskWaker>,
    /// The same waker, in the form that futures get.
    pub(super) std_waker: Waker,
}

impl Drop for Task {
    fn drop(&mut self) {
        // This has no effect on a task that has ended.
        self.ending.cancelled();
    }
}

/// The table is never borrowed while a future runs or is dropped, because both
/// may spawn tasks.
#[derive(Default)]
pub(super) struct Table {
    places: RefCell<Vec<Place>>,
    free: RefCell<Vec<usize>>,
    closed: Cell<bool>,
    entered: Cell<bool>,
}

#[derive(Default)]
struct Place {
    generation: u64,
    /// `None` while the task runs, and while the place is free.
    task: Option<Task>,
}

impl Table {
    /// Reserves a place for a new task and returns its key. The caller then
    /// puts the task there with [`put_back`](Self::put_back).
    pub(super) fn reserve(&self) -> Key {
        let mut places = self.places.borrow_mut();
        let place = self.free.borrow_mut().pop().unwrap_or_else(|| {
            places.push(Place::default());
            places.len() - 1
        });
        let generation = places[place].generation;
        Key { place, generation }
    }

    /// Takes a task out to run it. Returns `None` if it has ended or is running.
    pub(super) fn take(&self, key: Key) -> Option<Task> {
        self.with(key, |place| place.task.take()).flatten()
    }

    /// Puts a task into its place. Drops it instead if it was cancelled while
    /// it ran, or if the table is closed.
    pub(super) fn put_back(&self, key: Key, task: Task) {
        let mut task = Some(task);
        if !self.closed.get() {
            self.with(key, |place| place.task = task.take());
        }
        drop(task);
    }

    /// Frees the place for another task. Returns the old task, if there is one.
    pub(super) fn free(&self, key: Key) -> Option<Task> {
        let task = self.with(key, |place| {
            place.generation += 1;
            place.task.take()
        })?;
        self.free.borrow_mut().push(key.place);
        task
    }

    /// Drops all tasks. From now on, the table drops every task that is put
    /// into it.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.free.take();
        let places = self.places.take();
        drop(places); // after the borrow: a destructor may spawn
    }

    /// Returns the number of tasks.
    pub(super) fn len(&self) -> usize {
        self.places.borrow().len() - self.free.borrow().len()
    }

    /// Marks the start of a `block_on`. Returns false if one runs already.
    pub(super) fn enter(&self) -> bool {
        !self.entered.replace(true)
    }

    pub(super) fn leave(&self) {
        self.entered.set(false);
    }

    fn with<R>(&self, key: Key, look: impl FnOnce(&mut Place) -> R) -> Option<R> {
        let mut places = self.places.borrow_mut();
        let place = places.get_mut(key.place)?;
        (place.generation == key.generation).then(|| look(place))
    }
}
