//! Where jobs wait: in crossbeam's deques (Chase and Lev, *Dynamic circular work-stealing deque*,
//! 2005).
//!
//! The tests that explore need memory that the explorer knows, so there a deque is a queue under a
//! lock, with the same names.

#[cfg(not(feature = "explored"))]
pub(super) use crossbeam::deque::{Injector, Steal, Stealer, Worker};

#[cfg(feature = "explored")]
pub(super) use locked::{Injector, Steal, Stealer, Worker};

#[cfg(feature = "explored")]
mod locked {
    use std::collections::VecDeque;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    /// What came of an attempt to steal.
    pub(crate) enum Steal<T> {
        Success(T),
        Empty,
        /// Another thread came in between. Under a lock that never happens.
        #[allow(dead_code)]
        Retry,
    }

    /// A queue that all threads may use.
    pub(crate) struct Injector<T>(Mutex<VecDeque<T>>);

    /// The owner's end of a deque: last in, first out.
    pub(crate) struct Worker<T>(Arc<Injector<T>>);

    /// The thieves' end.
    pub(crate) struct Stealer<T>(Arc<Injector<T>>);

    impl<T> Injector<T> {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(VecDeque::new()))
        }

        fn queue(&self) -> MutexGuard<'_, VecDeque<T>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn push(&self, item: T) {
            self.queue().push_back(item);
        }

        pub(crate) fn steal(&self) -> Steal<T> {
            match self.queue().pop_front() {
                Some(item) => Steal::Success(item),
                None => Steal::Empty,
            }
        }
    }

    impl<T> Worker<T> {
        pub(crate) fn new_lifo() -> Self {
            Self(Arc::new(Injector::new()))
        }

        pub(crate) fn stealer(&self) -> Stealer<T> {
            Stealer(Arc::clone(&self.0))
        }

        pub(crate) fn push(&self, item: T) {
            self.0.push(item);
        }

        pub(crate) fn pop(&self) -> Option<T> {
            self.0.queue().pop_back()
        }
    }

    impl<T> Stealer<T> {
        pub(crate) fn steal(&self) -> Steal<T> {
            self.0.steal()
        }
    }
}
