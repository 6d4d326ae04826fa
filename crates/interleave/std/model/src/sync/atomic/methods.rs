//! What every atomic type offers.

/// The methods that all atomics have.
macro_rules! common_methods {
    ($value:ty) => {
        /// An atomic that holds `value`.
        #[track_caller]
        #[must_use]
        pub const fn new(value: $value) -> Self {
            Self(AtomicCell::new(value))
        }

        /// The value. No other thread can have a reference to the atomic.
        #[must_use]
        pub fn into_inner(self) -> $value {
            self.0.into_inner()
        }

        /// The value, to change it in place. No other thread can have a reference to the atomic.
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

        /// Writes `new` if the value is `current`. Returns `Ok` with the old value if it did.
        ///
        /// # Errors
        /// With the value that it found, if that is not `current`.
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

        /// Like [`Self::compare_exchange`], but it may fail although the value is `current`. Here
        /// it may do so once for each thread and execution.
        ///
        /// # Errors
        /// With the value that it found, if that is not `current`.
        #[track_caller]
        pub fn compare_exchange_weak(
            &self,
            current: $value,
            new: $value,
            success: Ordering,
            failure: Ordering,
        ) -> Result<$value, $value> {
            let at = std::panic::Location::caller();
            self.0
                .compare_exchange_weak([current, new], [success, failure], at)
        }

        /// [`Self::try_update`] under its older name.
        ///
        /// # Errors
        /// With the value that it found, if `f` returns `None` for that value.
        #[track_caller]
        pub fn fetch_update<F: FnMut($value) -> Option<$value>>(
            &self,
            set_order: Ordering,
            fetch_order: Ordering,
            f: F,
        ) -> Result<$value, $value> {
            let at = std::panic::Location::caller();
            self.0
                .try_update("fetch_update", [set_order, fetch_order], at, f)
        }

        /// Replaces the value by what `f` makes of it, unless that is `None`: a load and a loop of
        /// compare-exchanges, as in std. `Ok` with the old value if it was replaced.
        ///
        /// # Errors
        /// With the value that it found, if `f` returns `None` for that value.
        #[track_caller]
        pub fn try_update(
            &self,
            set_order: Ordering,
            fetch_order: Ordering,
            f: impl FnMut($value) -> Option<$value>,
        ) -> Result<$value, $value> {
            let at = std::panic::Location::caller();
            self.0
                .try_update("try_update", [set_order, fetch_order], at, f)
        }

        /// Replaces the value by what `f` makes of it: a load and a loop of compare-exchanges, as in
        /// std. Returns the old value.
        #[track_caller]
        pub fn update(
            &self,
            set_order: Ordering,
            fetch_order: Ordering,
            f: impl FnMut($value) -> $value,
        ) -> $value {
            let at = std::panic::Location::caller();
            self.0.update([set_order, fetch_order], at, f)
        }

        /// A pointer to memory that holds the newest value (see `atomic/memory.rs`). Plain reads and
        /// writes through it are not explored.
        #[must_use]
        pub fn as_ptr(&self) -> *mut $value {
            self.0.as_ptr()
        }

        /// The atomic that lies at `ptr`. It is the same one for the same address. (std's function
        /// is a `const fn`; this one has to note the address.)
        ///
        /// # Safety
        /// As for std: `ptr` is aligned and valid for reads and writes for all of `'a`, and is not
        /// written to in any other way while atomic operations may happen.
        ///
        /// # Panics
        /// Outside an exploration.
        #[track_caller]
        #[must_use]
        pub unsafe fn from_ptr<'a>(ptr: *mut $value) -> &'a Self {
            let cell = AtomicCell::from_ptr(ptr, std::panic::Location::caller());
            // SAFETY: the cell is never freed, and this type is `repr(transparent)` around it. What
            // it reads and writes at `ptr` is what the caller vouches for.
            unsafe { &*std::ptr::from_ref(cell).cast::<Self>() }
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
