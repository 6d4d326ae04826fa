//! The table of tasks.
//!
//! A place is used again when its task has ended, so a key names the place *and*
//! a generation: a wake-up that comes too late finds that its task is gone.

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
    /// The same, as futures see it.
    pub(super) std_waker: Waker,
}

impl Drop for Task {
    fn drop(&mut self) {
        // No effect on a task that has ended.
        self.ending.cancelled();
    }
}

/// No borrow of it lasts while a future runs or is dropped: both may spawn.
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
    /// None while it runs, and while the place is free.
    task: Option<Task>,
}

impl Table {
    /// A key for a new task, which is then put there.
    pub(super) fn reserve(&self) -> Key {
        let mut places = self.places.borrow_mut();
        let place = self.free.borrow_mut().pop().unwrap_or_else(|| {
            places.push(Place::default());
            places.len() - 1
        });
        let generation = places[place].generation;
        Key { place, generation }
    }

    /// Takes a task out, to run it or to drop it; none if it has ended or runs.
    pub(super) fn take(&self, key: Key) -> Option<Task> {
        self.with(key, |place| place.task.take()).flatten()
    }

    /// Puts a task where it was. One that was cancelled while it ran is dropped.
    pub(super) fn put_back(&self, key: Key, task: Task) {
        let mut task = Some(task);
        if !self.closed.get() {
            self.with(key, |place| place.task = task.take());
        }
        drop(task);
    }

    /// Makes the place free for another task; gives the old one back.
    pub(super) fn free(&self, key: Key) -> Option<Task> {
        let task = self.with(key, |place| {
            place.generation += 1;
            place.task.take()
        })?;
        self.free.borrow_mut().push(key.place);
        task
    }

    /// Drops all tasks, and from now on whatever is put there.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.free.take();
        let places = self.places.take();
        drop(places); // not in the borrow: a destructor may spawn
    }

    /// How many tasks there are.
    pub(super) fn len(&self) -> usize {
        self.places.borrow().len() - self.free.borrow().len()
    }

    /// False if somebody is in already.
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
