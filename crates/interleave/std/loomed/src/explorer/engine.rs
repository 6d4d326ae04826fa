//! The engine on loom.
//!
//! A hidden atomic for each object models what a lock, a channel or a join synchronizes. Only
//! read-modify-writes change it. They always see the newest value, so an `Acquire` one synchronizes
//! with every `Release` one before it, and loom tries both orders of any two.
//!
//! `SeqCst` accesses are modelled as `AcqRel` ones between two `SeqCst` fences. loom treats such
//! fences correctly, but it treats plain `SeqCst` accesses as if they were weaker than they are.
//! Between fences they may be stronger than they are, so a program that needs them is never called
//! wrong.
//!
//! What a thread did before it woke another one happens before the wake-up (loom's `unpark` does
//! that), also for a futex wake-up, which promises no such thing. The executions in which the
//! thread did not sleep show an ordering that is missing. For loom, stores are read-modify-writes.
//! Otherwise loom would let a store come between the two halves of another thread's `swap` in the
//! modification order, and a right spin lock would hang. So a plain store does not end a release
//! sequence.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use interleave_model::kernel::engine::{Change, Collision, Engine, ObjectId, Seed};
use interleave_model::kernel::{self, NOBODY, thread::Status};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{self, AtomicU64};
use loom::thread::Thread;

use super::atom::Atom;
use super::stacks::{self, Exit};

/// How many looks in a row that saw nothing new count as a spin without end. Each look is a few
/// branches of loom.
const SPIN_LIMIT: u32 = 1_000;

enum Object {
    Atomic(Atom),
    Cell(UnsafeCell<()>),
}

pub(super) struct Loom {
    objects: RefCell<Vec<Rc<Object>>>,
    /// Atomics that were made when the execution began. loom demands that an atomic is made before
    /// every use, in the sense of happens-before. But this engine notices an atomic only at its
    /// first use, by any thread.
    spare: Rc<RefCell<Vec<AtomicU64>>>,
    ran_out: Rc<Cell<bool>>,
    /// Handles with which to wake threads.
    threads: RefCell<Vec<Thread>>,
    step_limit: u64,
}

impl Loom {
    pub(super) fn new(
        step_limit: u64,
        spare: Rc<RefCell<Vec<AtomicU64>>>,
        ran_out: Rc<Cell<bool>>,
    ) -> Self {
        Self {
            objects: RefCell::new(Vec::new()),
            spare,
            ran_out,
            threads: RefCell::new(Vec::new()),
            step_limit,
        }
    }

    fn object(&self, id: ObjectId) -> Rc<Object> {
        Rc::clone(&self.objects.borrow()[id as usize])
    }

    /// Calls loom, which may run other threads meanwhile. If loom itself gives up with a panic, the
    /// model gives up too.
    fn away<R>(&self, call: impl FnOnce() -> R) -> R {
        let way_out = stacks::way_out();
        let me = kernel::run().map(|run| (run.current.replace(NOBODY), run));
        let result = panic::catch_unwind(AssertUnwindSafe(call));
        stacks::enter(way_out);
        if let Some((me, run)) = me {
            run.current.set(me);
        }
        result.unwrap_or_else(|payload| self.broken(&*payload))
    }

    fn broken(&self, payload: &(dyn std::any::Any + Send)) -> ! {
        if let Some(run) = kernel::run() {
            let message = message_of(payload);
            let line = message.lines().next().unwrap_or_default();
            run.state.borrow_mut().gave_up = Some(format!("loom gave up: {line}"));
        }
        self.stop()
    }

    fn with_fences<R>(&self, orders: [Ordering; 2], access: impl FnOnce() -> R) -> R {
        self.away(|| {
            let seq_cst = orders.contains(&Ordering::SeqCst);
            if seq_cst {
                atomic::fence(Ordering::SeqCst);
            }
            let result = access();
            if seq_cst {
                atomic::fence(Ordering::SeqCst);
            }
            result
        })
    }

    fn spare(&self) -> AtomicU64 {
        let spare = self.spare.borrow_mut().pop();
        spare.unwrap_or_else(|| {
            self.ran_out.set(true);
            self.stop()
        })
    }
}

fn message_of(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("it did not say why")
}

/// The strongest order below `SeqCst` for that kind of access (`instead`).
fn weaken(order: Ordering, instead: Ordering) -> Ordering {
    match order {
        Ordering::SeqCst => instead,
        other => other,
    }
}

impl Engine for Loom {
    fn max_threads(&self) -> usize {
        loom::MAX_THREADS
    }

    fn spin_limit(&self) -> u32 {
        SPIN_LIMIT
    }

    fn step_limit(&self) -> u64 {
        self.step_limit
    }

    fn spawn(&self, body: Box<dyn FnOnce()>) {
        let thread = self.away(|| {
            loom::thread::spawn(move || stacks::run(body))
                .thread()
                .clone()
        });
        self.threads.borrow_mut().push(thread);
    }

    fn point(&self, object: Option<ObjectId>, order: Ordering) {
        if let Some(id) = object
            && let Object::Atomic(..) = &*self.object(id)
        {
            self.rmw(id, Change::Swap(0), order, Ordering::Relaxed);
        }
    }

    fn resync(&self, object: ObjectId, order: Ordering) {
        self.point(Some(object), order);
    }

    fn pause(&self) {
        let timed = kernel::run().is_some_and(|run| {
            let state = run.state.borrow();
            matches!(state.threads[run.current.get()].status, Status::Timed(..))
        });
        self.away(if timed {
            loom::thread::yield_now
        } else {
            loom::thread::park
        });
    }

    fn wake(&self, thread: usize) {
        let handle = self.threads.borrow().get(thread).cloned();
        if let Some(handle) = handle {
            handle.unpark();
        }
    }

    fn may_wait_unseen(&self) -> bool {
        false
    }

    fn spin(&self) {
        self.away(loom::thread::yield_now);
    }

    fn new_object(&self, id: ObjectId, seed: Seed) {
        let object = match seed {
            Seed::Plain => Object::Atomic(Atom::new(self.spare(), 0, 64)),
            Seed::Atomic(value, bits) => Object::Atomic(Atom::new(self.spare(), value, bits)),
            Seed::Cell => Object::Cell(self.away(|| UnsafeCell::new(()))),
        };
        if id == 0 {
            // The first object is the first thread.
            let main = self.away(loom::thread::current);
            *self.threads.borrow_mut() = vec![main];
        }
        let mut objects = self.objects.borrow_mut();
        objects.truncate(id as usize);
        objects.push(Rc::new(object));
    }

    fn load(&self, id: ObjectId, order: Ordering) -> u64 {
        match &*self.object(id) {
            Object::Atomic(atom) => self.with_fences([order, order], || {
                atom.load(weaken(order, Ordering::Acquire))
            }),
            Object::Cell(_) => 0,
        }
    }

    fn store(&self, id: ObjectId, value: u64, order: Ordering) {
        if let Object::Atomic(atom) = &*self.object(id) {
            self.with_fences([order, order], || {
                atom.store(value, weaken(order, Ordering::Release));
            });
        }
    }

    fn rmw(&self, id: ObjectId, change: Change, success: Ordering, failure: Ordering) -> u64 {
        match &*self.object(id) {
            Object::Atomic(atom) => self.with_fences([success, failure], || {
                let success = weaken(success, Ordering::AcqRel);
                atom.rmw(change, success, weaken(failure, Ordering::Acquire))
            }),
            Object::Cell(_) => 0,
        }
    }

    fn fence(&self, order: Ordering) {
        self.away(|| atomic::fence(order));
    }

    fn peek(&self, id: ObjectId) -> u64 {
        match &*self.object(id) {
            Object::Atomic(atom) => atom.latest(),
            Object::Cell(_) => 0,
        }
    }

    fn cell(&self, id: ObjectId, write: bool) -> Result<(), Collision> {
        let object = self.object(id);
        let Object::Cell(cell) = &*object else {
            return Ok(());
        };
        let run = kernel::run();
        let me = run.as_ref().map(|run| run.current.replace(NOBODY));
        let checked = panic::catch_unwind(AssertUnwindSafe(|| {
            if write {
                drop(cell.get_mut());
            } else {
                drop(cell.get());
            }
        }));
        if let (Some(run), Some(me)) = (run, me) {
            run.current.set(me);
        }
        checked.map_err(|payload| {
            if write && message_of(&*payload).contains("read and write") {
                Collision::WithRead
            } else {
                Collision::WithWrite
            }
        })
    }

    fn stop(&self) -> ! {
        stacks::leave(Exit::Model)
    }

    fn retire(&self) -> ! {
        if let Some(run) = kernel::run() {
            run.current.set(NOBODY);
        }
        stacks::leave(Exit::Thread)
    }

    fn cut(&self) -> ! {
        stacks::leave(Exit::Model)
    }
}
