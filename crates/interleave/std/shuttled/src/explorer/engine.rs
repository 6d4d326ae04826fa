//! The engine on shuttle: a scheduling point is a `switch`, memory is sequentially consistent.

use std::cell::{Cell, RefCell};
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use interleave_model::kernel::engine::{Change, Collision, Engine, ObjectId, Seed};
use shuttle_engine::runtime::execution::ExecutionState;
use shuttle_engine::runtime::thread;

use super::MAX_THREADS;

/// How many looks in a row that saw nothing new count as a spin without end. A thread that spins
/// costs no context switch, so this can be far more than the looks of any loop that gives up.
const SPIN_LIMIT: u32 = 10_000;

pub(super) struct Shuttle {
    /// The value and width of each atomic.
    values: RefCell<Vec<(u64, u32)>>,
    step_limit: Rc<Cell<u64>>,
}

impl Shuttle {
    pub(super) fn new(step_limit: Rc<Cell<u64>>) -> Self {
        Self {
            values: RefCell::new(Vec::new()),
            step_limit,
        }
    }
}

impl Engine for Shuttle {
    fn max_threads(&self) -> usize {
        MAX_THREADS
    }

    fn spin_limit(&self) -> u32 {
        SPIN_LIMIT
    }

    fn step_limit(&self) -> u64 {
        self.step_limit.get()
    }

    fn spawn(&self, body: Box<dyn FnOnce()>) {
        ExecutionState::spawn_thread(body, super::STACK, None, None, Location::caller());
    }

    fn point(&self, _object: Option<ObjectId>, _order: Ordering) {
        // While a panic unwinds, nothing is interleaved. All threads share one operating-system
        // thread, so code that asks whether it is panicking would get the answer for another
        // thread's panic.
        if !std::thread::panicking() {
            thread::switch();
        }
    }

    fn resync(&self, _object: ObjectId, _order: Ordering) {}

    fn pause(&self) {
        thread::switch();
    }

    fn wake(&self, _thread: usize) {}

    fn may_wait_unseen(&self) -> bool {
        true
    }

    fn spin(&self) {}

    fn new_object(&self, id: ObjectId, seed: Seed) {
        let mut values = self.values.borrow_mut();
        values.truncate(id as usize);
        values.push(match seed {
            Seed::Atomic(value, bits) => (value, bits),
            Seed::Plain | Seed::Cell => (0, 64),
        });
    }

    fn load(&self, id: ObjectId, order: Ordering) -> u64 {
        self.point(Some(id), order);
        self.peek(id)
    }

    fn store(&self, id: ObjectId, value: u64, order: Ordering) {
        self.point(Some(id), order);
        self.values.borrow_mut()[id as usize].0 = value;
    }

    fn rmw(&self, id: ObjectId, change: Change, success: Ordering, _failure: Ordering) -> u64 {
        self.point(Some(id), success);
        let (old, bits) = self.values.borrow()[id as usize];
        self.values.borrow_mut()[id as usize].0 = change.apply(old, bits);
        old
    }

    fn fence(&self, _order: Ordering) {}

    fn peek(&self, id: ObjectId) -> u64 {
        self.values.borrow()[id as usize].0
    }

    fn cell(&self, _id: ObjectId, _write: bool) -> Result<(), Collision> {
        Ok(())
    }

    fn stop(&self) -> ! {
        // The scheduler sees that the run is stopping and schedules no thread, so the first
        // `switch` does not return.
        loop {
            thread::switch();
        }
    }

    fn retire(&self) -> ! {
        if let Some(run) = interleave_model::kernel::run() {
            run.state.borrow_mut().stopping = true;
        }
        self.stop()
    }

    fn cut(&self) -> ! {
        self.stop()
    }
}
