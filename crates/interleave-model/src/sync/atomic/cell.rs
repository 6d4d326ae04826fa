//! What all atomics are: 64 bits, a kind, and three operations.

use crate::kernel::{
    self, Place, Run,
    engine::{Change, ObjectId, Seed},
    event::{Event, Returned, Step},
    object::{Header, Kind},
};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

/// An atomic of up to 64 bits. `T` is the type that its owner sees.
pub(crate) struct AtomicCell<T: Copy> {
    header: Header,
    initial: Cell<T>,
}

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
            header: Header::new(),
            initial: Cell::new(value),
        }
    }

    fn enter(&self) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(T::KIND);
        let id = self.id(&run);
        (run, id)
    }

    /// Its number in the current execution.
    pub(crate) fn id(&self, run: &Run) -> ObjectId {
        self.header.id(run, T::KIND, || {
            Seed::Atomic(self.initial.get().pack(), T::BITS)
        })
    }

    pub(crate) fn load(&self, order: Ordering, at: Place) -> T {
        assert!(
            !matches!(order, Ordering::Release | Ordering::AcqRel),
            "there is no such thing as a release load"
        );
        let (run, id) = self.enter();
        let bits = run.step(Step::read(id), at, |engine| engine.load(id, order));
        let mut event = Event::new(run.me(), "load", at);
        event.object = Some(id);
        event.order = Some(order);
        event.returned = Returned::Value(bits);
        run.log(event);
        run.saw(id, bits);
        T::unpack(bits)
    }

    pub(crate) fn store(&self, value: T, order: Ordering, at: Place) {
        assert!(
            !matches!(order, Ordering::Acquire | Ordering::AcqRel),
            "there is no such thing as an acquire store"
        );
        let (run, id) = self.enter();
        let bits = value.pack();
        run.step(Step::write(id), at, |engine| engine.store(id, bits, order));
        let mut event = Event::new(run.me(), "store", at);
        event.object = Some(id);
        event.order = Some(order);
        event.arguments[0] = Some(bits);
        run.log(event);
        run.changed(id);
    }

    /// Changes the value in one step; returns the old one.
    pub(crate) fn rmw(
        &self,
        verb: &'static str,
        argument: T,
        change: Change,
        order: Ordering,
        at: Place,
    ) -> T {
        let (run, id) = self.enter();
        let old = run.step(Step::write(id), at, |engine| {
            engine.rmw(id, change, order, Ordering::Relaxed)
        });
        let mut event = Event::new(run.me(), verb, at);
        event.object = Some(id);
        event.order = Some(order);
        event.arguments[0] = Some(argument.pack());
        event.returned = Returned::Value(old);
        run.log(event);
        if change.apply(old, T::BITS) == old {
            // `while lock.swap(true, Acquire) {}` spins, although it writes.
            run.saw(id, old);
        } else {
            run.changed(id);
        }
        T::unpack(old)
    }

    /// Changes the value by a load and a loop of compare-exchanges; returns the old one.
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
        [current, new]: [T; 2],
        [success, failure]: [Ordering; 2],
        at: Place,
    ) -> Result<T, T> {
        assert!(
            !matches!(failure, Ordering::Release | Ordering::AcqRel),
            "there is no such thing as a release failure ordering"
        );
        let (run, id) = self.enter();
        let (current, new) = (current.pack(), new.pack());
        let old = run.step(Step::write(id), at, |engine| {
            engine.rmw(id, Change::CompareExchange(current, new), success, failure)
        });
        let done = old == current;
        let mut event = Event::new(run.me(), verb, at);
        event.object = Some(id);
        event.order = Some(success);
        event.arguments = [Some(current), Some(new)];
        event.returned = if done {
            Returned::Ok(old)
        } else {
            Returned::Err(old)
        };
        run.log(event);
        if done && new != old {
            run.changed(id);
        } else {
            run.saw(id, old);
        }
        if done {
            Ok(T::unpack(old))
        } else {
            Err(T::unpack(old))
        }
    }

    /// The newest value, without a step: for owners.
    fn settle(&self) {
        if let Some(run) = kernel::run()
            && let Some(id) = self.header.known(&run)
        {
            self.initial.set(T::unpack(run.engine.peek(id)));
            self.header.forget();
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.settle();
        self.initial.get_mut()
    }

    pub(crate) fn into_inner(self) -> T {
        self.settle();
        self.initial.get()
    }

    /// The newest value, for `Debug`.
    pub(crate) fn peek(&self) -> T {
        kernel::run()
            .and_then(|run| Some(T::unpack(run.engine.peek(self.header.known(&run)?))))
            .unwrap_or_else(|| self.initial.get())
    }
}

/// The methods that all atomics have.
macro_rules! common_methods {
    ($value:ty) => {
        /// An atomic that holds `value`.
        #[track_caller]
        #[must_use]
        pub const fn new(value: $value) -> Self {
            Self(AtomicCell::new(value))
        }

        /// The value; nobody else can have a reference.
        #[must_use]
        pub fn into_inner(self) -> $value {
            self.0.into_inner()
        }

        /// The value, to change it in place; nobody else can have a reference.
        pub fn get_mut(&mut self) -> &mut $value {
            self.0.get_mut()
        }

        /// Reads the value.
        ///
        /// # Panics
        /// If `order` is `Release` or `AcqRel`.
        #[track_caller]
        pub fn load(&self, order: Ordering) -> $value {
            self.0.load(order, std::panic::Location::caller())
        }

        /// Writes a value.
        ///
        /// # Panics
        /// If `order` is `Acquire` or `AcqRel`.
        #[track_caller]
        pub fn store(&self, value: $value, order: Ordering) {
            self.0.store(value, order, std::panic::Location::caller());
        }

        /// Writes a value and returns the old one.
        #[track_caller]
        pub fn swap(&self, value: $value, order: Ordering) -> $value {
            let at = std::panic::Location::caller();
            self.0
                .rmw("swap", value, Change::Swap(value.pack()), order, at)
        }

        /// Writes `new` if the value is `current`; `Ok` with the old value if so.
        ///
        /// # Errors
        /// With the value found, if it is another.
        ///
        /// # Panics
        /// If `failure` is `Release` or `AcqRel`.
        #[track_caller]
        pub fn compare_exchange(
            &self,
            current: $value,
            new: $value,
            success: Ordering,
            failure: Ordering,
        ) -> Result<$value, $value> {
            let at = std::panic::Location::caller();
            self.0
                .compare_exchange("compare_exchange", [current, new], [success, failure], at)
        }

        /// Like [`Self::compare_exchange`]; never fails spuriously here.
        ///
        /// # Errors
        /// With the value found, if it is another.
        #[track_caller]
        pub fn compare_exchange_weak(
            &self,
            current: $value,
            new: $value,
            success: Ordering,
            failure: Ordering,
        ) -> Result<$value, $value> {
            let at = std::panic::Location::caller();
            self.0.compare_exchange(
                "compare_exchange_weak",
                [current, new],
                [success, failure],
                at,
            )
        }

        /// A load and a loop of compare-exchanges, as in std.
        ///
        /// # Errors
        /// With the value found, if `f` returns `None` for it.
        #[track_caller]
        pub fn fetch_update<F: FnMut($value) -> Option<$value>>(
            &self,
            set_order: Ordering,
            fetch_order: Ordering,
            mut f: F,
        ) -> Result<$value, $value> {
            let at = std::panic::Location::caller();
            let mut old = self.0.load(fetch_order, at);
            while let Some(new) = f(old) {
                let orders = [set_order, fetch_order];
                match self
                    .0
                    .compare_exchange("fetch_update", [old, new], orders, at)
                {
                    Ok(value) => return Ok(value),
                    Err(value) => old = value,
                }
            }
            Err(old)
        }

        /// Writes `new` if the value is `current`; returns the old value.
        #[deprecated = "use compare_exchange"]
        #[track_caller]
        pub fn compare_and_swap(&self, current: $value, new: $value, order: Ordering) -> $value {
            let failure = match order {
                Ordering::AcqRel => Ordering::Acquire,
                Ordering::Release => Ordering::Relaxed,
                other => other,
            };
            let at = std::panic::Location::caller();
            match self
                .0
                .compare_exchange("compare_and_swap", [current, new], [order, failure], at)
            {
                Ok(old) | Err(old) => old,
            }
        }
    };
}
pub(super) use common_methods;
