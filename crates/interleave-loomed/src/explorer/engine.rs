//! The engine on loom.
//!
//! What a lock, a channel or a join synchronises is modelled by a hidden atomic for each object,
//! which is only changed by read-modify-writes: those always see the newest value, so an `Acquire`
//! one synchronises with every `Release` one before it, and loom tries both orders of any two.
//!
//! `SeqCst` accesses are modelled as `AcqRel` ones between two `SeqCst` fences. loom treats such
//! fences correctly and plain `SeqCst` accesses as if they were weaker than they are. Between fences
//! they are, if anything, stronger: a program that needs them is never called wrong.
//!
//! Waiting yields: loom's own `park` would let the waker's past happen before the waiter's future,
//! which a futex does not promise.

use super::stacks;
use interleave_model::kernel::engine::{Change, Collision, Engine, ObjectId, Seed};
use interleave_model::kernel::{self, NOBODY};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{self, AtomicU64};
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::atomic::Ordering;

/// Fruitless looks in a row that are a spin without end. Each is a few branches of loom's.
const SPIN_LIMIT: u32 = 1_000;

enum Object {
    /// The value is kept in the topmost bits, so many, so that additions wrap around where they
    /// must.
    /// The last cell is the value stored last, for owners who look without a step.
    Atomic(AtomicU64, u32, Cell<u64>),
    Cell(UnsafeCell<()>),
}

pub(super) struct Loom {
    objects: RefCell<Vec<Rc<Object>>>,
    step_limit: u64,
}

impl Loom {
    pub(super) fn new(step_limit: u64) -> Self {
        Self {
            objects: RefCell::new(Vec::new()),
            step_limit,
        }
    }

    fn object(&self, id: ObjectId) -> Rc<Object> {
        Rc::clone(&self.objects.borrow()[id as usize])
    }

    /// Calls loom, which may run other threads meanwhile. If loom itself gives up, by a panic, so
    /// does the model.
    fn away<R>(&self, call: impl FnOnce() -> R) -> R {
        let way_out = stacks::way_out();
        let me = kernel::run().map(|run| (run.current.replace(NOBODY), run));
        let result = panic::catch_unwind(AssertUnwindSafe(call));
        stacks::enter(way_out);
        if let Some((me, run)) = me {
            run.current.set(me);
        }
        match result {
            Ok(result) => result,
            Err(payload) => self.broken(&*payload),
        }
    }

    fn broken(&self, payload: &(dyn std::any::Any + Send)) -> ! {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("it did not say why");
        if let Some(run) = kernel::run() {
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
}

/// The strongest order of that kind of access below `SeqCst`.
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
        self.away(|| {
            drop(loom::thread::spawn(move || stacks::run(body)));
        });
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
        self.away(loom::thread::yield_now);
    }

    fn spin(&self) {
        self.away(loom::thread::yield_now);
    }

    fn new_object(&self, id: ObjectId, seed: Seed) {
        let object = self.away(|| match seed {
            Seed::Plain => Object::Atomic(AtomicU64::new(0), 64, Cell::new(0)),
            Seed::Atomic(value, bits) => {
                let shifted = AtomicU64::new(value << (64 - bits));
                Object::Atomic(shifted, bits, Cell::new(value))
            },
            Seed::Cell => Object::Cell(UnsafeCell::new(())),
        });
        let mut objects = self.objects.borrow_mut();
        objects.truncate(id as usize);
        objects.push(Rc::new(object));
    }

    fn load(&self, id: ObjectId, order: Ordering) -> u64 {
        let object = self.object(id);
        let Object::Atomic(atomic, bits, _) = &*object else {
            return 0;
        };
        self.with_fences([order, order], || {
            atomic.load(weaken(order, Ordering::Acquire))
        }) >> (64 - bits)
    }

    fn store(&self, id: ObjectId, value: u64, order: Ordering) {
        let object = self.object(id);
        if let Object::Atomic(atomic, bits, latest) = &*object {
            self.with_fences([order, order], || {
                atomic.store(value << (64 - bits), weaken(order, Ordering::Release));
            });
            latest.set(value);
        }
    }

    fn rmw(&self, id: ObjectId, change: Change, success: Ordering, failure: Ordering) -> u64 {
        let object = self.object(id);
        let Object::Atomic(atomic, bits, latest) = &*object else {
            return 0;
        };
        let up = 64 - bits;
        let old = self.with_fences([success, failure], || {
            let success = weaken(success, Ordering::AcqRel);
            let failure = weaken(failure, Ordering::Acquire);
            match change {
                // Fails, unless the value is 1 in 64 bits; then it stores what is there.
                Change::Look => atomic
                    .compare_exchange(1, 1, success, failure)
                    .unwrap_or_else(|found| found),
                Change::Swap(new) => atomic.swap(new << up, success),
                Change::CompareExchange(current, new) => atomic
                    .compare_exchange(current << up, new << up, success, failure)
                    .unwrap_or_else(|found| found),
                Change::Add(value) => atomic.fetch_add(value << up, success),
                Change::And(value) => atomic.fetch_and(value << up, success),
                Change::Or(value) => atomic.fetch_or(value << up, success),
                Change::Xor(value) => atomic.fetch_xor(value << up, success),
            }
        });
        let old = old >> up;
        latest.set(change.apply(old, *bits));
        old
    }

    fn fence(&self, order: Ordering) {
        self.away(|| atomic::fence(order));
    }

    fn peek(&self, id: ObjectId) -> u64 {
        match &*self.object(id) {
            Object::Atomic(_, _, latest) => latest.get(),
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
            let message = payload
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| payload.downcast_ref::<&str>().copied())
                .unwrap_or_default();
            if write && message.contains("read and write") {
                Collision::WithRead
            } else {
                Collision::WithWrite
            }
        })
    }

    fn stop(&self) -> ! {
        stacks::give_up()
    }

    fn cut(&self) -> ! {
        stacks::give_up()
    }
}
