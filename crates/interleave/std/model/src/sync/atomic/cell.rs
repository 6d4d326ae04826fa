//! What all atomics have in common: 64 bits, a kind, and three operations.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use super::memory::{self, Memory};
use interleave_search::{Change, Op};

use crate::kernel::{
    self, Place, Run,
    event::{Event, Returned},
    object::{self, Header, Kind, ObjectId, Packed},
};

/// An atomic of up to 64 bits. `T` is the type that its owner sees.
#[repr(C)]
pub(crate) struct AtomicCell<T: Copy> {
    mark: Cell<Packed<u64>>,
    pub(super) header: Header,
    initial: Cell<T>,
    pub(super) memory: Memory<T>,
}

/// Every atomic that `new` made begins with this. No byte of it is 0 or 1, so none can be a
/// boolean.
const MARK: u64 = 0xA70C_1A7E_D0C7_E5F3;

// SAFETY: the cells are only touched by the one modelled thread that runs (see `kernel`).
unsafe impl<T: Copy> Send for AtomicCell<T> {}
// SAFETY: as above.
unsafe impl<T: Copy> Sync for AtomicCell<T> {}

/// A value that fits an atomic.
pub(crate) trait Word: Copy {
    /// What kind of atomic holds it.
    const KIND: Kind;
    /// How many bits it has.
    const BITS: u32;
    /// As 64 bits.
    fn pack(self) -> u64;
    /// From 64 bits.
    fn unpack(bits: u64) -> Self;
}

impl<T: Word> AtomicCell<T> {
    #[track_caller]
    pub(crate) const fn new(value: T) -> Self {
        Self {
            mark: Cell::new(Packed(MARK)),
            header: Header::new(),
            initial: Cell::new(value),
            memory: Memory::new(value),
        }
    }

    fn enter(&self, at: Place) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(T::KIND);
        let id = self.id(&run, at);
        (run, id)
    }

    /// False if a pointer to a plain value was cast to a pointer to an atomic (see `memory`).
    pub(super) fn has_mark(&self) -> bool {
        self.mark.get().0 == MARK
    }

    /// Its address, for an atomic without a mark.
    pub(super) fn address(&self) -> *mut T {
        std::ptr::from_ref(self).cast::<T>().cast_mut()
    }

    /// Its number in the current execution.
    pub(crate) fn id(&self, run: &Run, at: Place) -> ObjectId {
        if !self.has_mark() {
            return Self::from_ptr(self.address(), at).id(run, at);
        }
        match self.memory.visible(run) {
            Some(memory) => memory::id(run, memory, self.header.made()),
            None => self.header.id(run, T::KIND, || {
                [object::Word {
                    initial: self.initial.get().pack(),
                    bits: T::BITS,
                }]
            }),
        }
    }

    /// The atomic has a new value: this puts it into the memory, if the program can see that memory.
    fn stored(&self, run: &Run, value: u64) {
        let memory = if self.has_mark() {
            self.memory.visible(run)
        } else {
            Some(self.address())
        };
        if let Some(memory) = memory {
            memory::write_through(run, memory, T::unpack(value));
        }
    }

    pub(crate) fn load(&self, order: Ordering, at: Place) -> T {
        assert!(
            !matches!(order, Ordering::Release | Ordering::AcqRel),
            "there is no such thing as a release load"
        );
        let (run, id) = self.enter(at);
        let word = run.word(id);
        let outcome = run.access(id, Op::load(word, order), at);
        let mut event = Event::new(run.me(), "load", at);
        event.object = Some(id);
        event.order = Some(order);
        event.returned = Returned::Value(outcome.read);
        event.newer = run.newer_than(word, outcome);
        run.log(event);
        T::unpack(outcome.read)
    }

    pub(crate) fn store(&self, value: T, order: Ordering, at: Place) {
        assert!(
            !matches!(order, Ordering::Acquire | Ordering::AcqRel),
            "there is no such thing as an acquire store"
        );
        let (run, id) = self.enter(at);
        let bits = value.pack();
        let word = run.word(id);
        let outcome = run.perform(Op::store(word, bits, order), at);
        run.acted();
        self.stored(&run, bits);
        let mut event = Event::new(run.me(), "store", at);
        event.object = Some(id);
        event.order = Some(order);
        event.arguments[0] = Some(bits);
        event.newer = run.newer_than(word, outcome);
        run.log(event);
    }

    /// Changes the value in one step. Returns the old value.
    pub(crate) fn rmw(
        &self,
        verb: &'static str,
        argument: T,
        change: Change,
        order: Ordering,
        at: Place,
    ) -> T {
        self.rmw_bits(verb, Some(argument.pack()), change, order, at)
    }

    /// [`Self::rmw`] with an argument that is not a value of the atomic, or none.
    pub(crate) fn rmw_bits(
        &self,
        verb: &'static str,
        argument: Option<u64>,
        change: Change,
        order: Ordering,
        at: Place,
    ) -> T {
        let (run, id) = self.enter(at);
        let word = run.word(id);
        let outcome = run.access(id, Op::update(word, change, order), at);
        if let Some(new) = outcome.written {
            self.stored(&run, new);
        }
        let mut event = Event::new(run.me(), verb, at);
        event.object = Some(id);
        event.order = Some(order);
        event.arguments[0] = argument;
        event.returned = Returned::Value(outcome.read);
        event.newer = run.newer_than(word, outcome);
        run.log(event);
        T::unpack(outcome.read)
    }

    /// Changes the value with a load and a loop of compare-exchanges. Returns the old value.
    pub(crate) fn rmw_loop(
        &self,
        verb: &'static str,
        order: Ordering,
        at: Place,
        change: impl Fn(T) -> T,
    ) -> T {
        let mut old = self.load(Ordering::Relaxed, at);
        loop {
            let orders = [order, Ordering::Relaxed];
            match self.compare_exchange(verb, [old, change(old)], orders, at) {
                Ok(value) => return value,
                Err(value) => old = value,
            }
        }
    }

    pub(crate) fn compare_exchange(
        &self,
        verb: &'static str,
        values: [T; 2],
        orders: [Ordering; 2],
        at: Place,
    ) -> Result<T, T> {
        self.exchange(verb, values, orders, false, at)
    }

    /// Processors that build a compare-exchange from load-linked and store-conditional may fail
    /// although they find the expected value. Others never do, so the model has to.
    pub(crate) fn compare_exchange_weak(
        &self,
        values: [T; 2],
        orders: [Ordering; 2],
        at: Place,
    ) -> Result<T, T> {
        self.exchange("compare_exchange_weak", values, orders, true, at)
    }

    /// A weak exchange may fail for no reason, once for each thread.
    fn exchange(
        &self,
        verb: &'static str,
        [current, new]: [T; 2],
        [success, failure]: [Ordering; 2],
        is_weak: bool,
        at: Place,
    ) -> Result<T, T> {
        assert!(
            !matches!(failure, Ordering::Release | Ordering::AcqRel),
            "there is no such thing as a release failure ordering"
        );
        let (run, id) = self.enter(at);
        let me = run.me();
        let may_fail = is_weak && {
            let mut state = run.state.borrow_mut();
            let may_fail = state.threads[me].spurious_failures < state.most_spurious;
            state.bounded |= !may_fail;
            may_fail
        };
        let (current, new) = (current.pack(), new.pack());
        let word = run.word(id);
        let op = Op::update(word, Change::CompareExchange(current, new), success)
            .or_else(failure)
            .spuriously(may_fail);
        let outcome = run.access(id, op, at);
        if let Some(new) = outcome.written {
            self.stored(&run, new);
        }
        let old = outcome.read;
        let returned = match (outcome.written, old == current) {
            (Some(_), _) => Returned::Ok(old),
            (None, true) => Returned::SpuriousErr(old),
            (None, false) => Returned::Err(old),
        };
        if let Returned::SpuriousErr(_) = returned {
            run.state.borrow_mut().threads[me].spurious_failures += 1;
        }
        let done = outcome.written.is_some();
        let mut event = Event::new(me, verb, at);
        event.object = Some(id);
        event.order = Some(success);
        event.arguments = [Some(current), Some(new)];
        event.returned = returned;
        event.newer = run.newer_than(word, outcome);
        run.log(event);
        if done {
            Ok(T::unpack(old))
        } else {
            Err(T::unpack(old))
        }
    }

    /// Takes the newest value back into the atomic, without a step: for owners.
    fn settle(&self) {
        let Some(run) = kernel::run() else { return };
        if let Some(value) = self.memory.hide(&run) {
            self.initial.set(value);
            self.header.forget();
        } else if let Some(id) = self.header.known(&run) {
            self.initial.set(T::unpack(run.settled(id)));
            self.header.forget();
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        if !self.has_mark() {
            // SAFETY: the address of a plain value, which `&mut self` excludes others from.
            return unsafe { &mut *self.address() };
        }
        self.settle();
        self.initial.get_mut()
    }

    pub(crate) fn into_inner(self) -> T {
        if !self.has_mark() {
            return memory::read(self.address());
        }
        self.settle();
        self.initial.get()
    }

    /// The newest value, for `Debug`.
    pub(crate) fn peek(&self) -> T {
        if !self.has_mark() {
            return memory::read(self.address());
        }
        let newest = kernel::run().and_then(|run| {
            if let Some(memory) = self.memory.visible(&run) {
                return Some(memory::read(memory));
            }
            Some(T::unpack(run.settled(self.header.known(&run)?)))
        });
        newest.unwrap_or_else(|| self.initial.get())
    }

    /// A load and a loop of compare-exchanges, as in std; stops when `f` returns `None`.
    pub(crate) fn try_update(
        &self,
        verb: &'static str,
        [set_order, fetch_order]: [Ordering; 2],
        at: Place,
        mut f: impl FnMut(T) -> Option<T>,
    ) -> Result<T, T> {
        let mut old = self.load(fetch_order, at);
        while let Some(new) = f(old) {
            match self.compare_exchange(verb, [old, new], [set_order, fetch_order], at) {
                Ok(value) => return Ok(value),
                Err(value) => old = value,
            }
        }
        Err(old)
    }

    /// [`Self::try_update`] with an `f` that always goes on.
    pub(crate) fn update(&self, orders: [Ordering; 2], at: Place, mut f: impl FnMut(T) -> T) -> T {
        match self.try_update("update", orders, at, |old| Some(f(old))) {
            Ok(old) | Err(old) => old,
        }
    }
}
