//! `thread_local!`: a value for each modelled thread, which the kernel keeps with the thread.

use std::cell::{Cell, RefCell};
use std::fmt;

use crate::kernel::{self, object::Kind};

/// A key for a value of which each thread has its own, as [`std::thread::LocalKey`].
pub struct LocalKey<T: 'static> {
    init: fn() -> T,
}

/// The value has been destroyed, as [`std::thread::AccessError`].
#[non_exhaustive]
#[derive(Clone, Copy, Eq, PartialEq, Debug)]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("already destroyed")
    }
}

impl std::error::Error for AccessError {}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    pub const fn new(init: fn() -> T) -> Self {
        Self { init }
    }

    /// Uses the current thread's value, making it first if need be.
    ///
    /// # Panics
    /// If the value has been destroyed, or outside an exploration.
    #[track_caller]
    pub fn with<F: FnOnce(&T) -> R, R>(&'static self, f: F) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => panic!(
                "cannot access a Thread Local Storage value during or after destruction: {error}"
            ),
        }
    }

    /// Uses the current thread's value, making it first if need be.
    ///
    /// # Errors
    /// If the value has been destroyed.
    #[track_caller]
    pub fn try_with<F: FnOnce(&T) -> R, R>(&'static self, f: F) -> Result<R, AccessError> {
        let run = kernel::must_run(Kind::Thread);
        let key = std::ptr::from_ref(self).addr();
        let known = || -> Option<Option<*const T>> {
            let state = run.state.borrow();
            let locals = &state.threads[run.me()].locals;
            let (_, value) = locals.iter().find(|(theirs, _)| *theirs == key)?;
            Some(
                value
                    .as_ref()
                    .and_then(|value| value.downcast_ref::<T>().map(std::ptr::from_ref)),
            )
        };
        let value = match known() {
            Some(Some(value)) => value,
            Some(None) => return Err(AccessError),
            None => {
                let made: Box<dyn std::any::Any> = Box::new((self.init)());
                if known().is_none() {
                    let me = run.me();
                    run.state.borrow_mut().threads[me]
                        .locals
                        .push((key, Some(made)));
                }
                match known() {
                    Some(Some(value)) => value,
                    _ => return Err(AccessError),
                }
            }
        };
        // SAFETY: the value is in a box of its own, which lives until the thread's end destroys it;
        // this thread is in here, so it has not ended.
        Ok(f(unsafe { &*value }))
    }
}

impl<T: 'static> LocalKey<Cell<T>> {
    /// Replaces the value.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }

    /// A copy of the value.
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value, leaving the default.
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Replaces the value and returns the old one.
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> LocalKey<RefCell<T>> {
    /// Looks at the value.
    #[track_caller]
    pub fn with_borrow<F: FnOnce(&T) -> R, R>(&'static self, f: F) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Changes the value.
    #[track_caller]
    pub fn with_borrow_mut<F: FnOnce(&mut T) -> R, R>(&'static self, f: F) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Replaces the value.
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.with(|cell| *cell.borrow_mut() = value);
    }

    /// Takes the value, leaving the default.
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Replaces the value and returns the old one.
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// Destroys the current thread's values in the order in which they were made, including those that
/// destructors make.
pub(crate) fn destroy_all() {
    let Some(run) = kernel::running() else { return };
    let me = run.me();
    loop {
        let next = run.state.borrow_mut().threads[me]
            .locals
            .iter_mut()
            .find_map(|(_, value)| value.take());
        match next {
            Some(value) => drop(value),
            None => return,
        }
    }
}

/// Declares thread-local values, as [`std::thread_local!`].
#[macro_export]
macro_rules! thread_local {
    () => {};
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = const $init:block; $($rest:tt)*) => {
        $crate::thread_local!($(#[$attr])* $vis static $name: $t = const $init);
        $crate::thread_local!($($rest)*);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = const $init:block) => {
        $(#[$attr])* $vis static $name: $crate::thread::LocalKey<$t> =
            $crate::thread::LocalKey::new(|| const $init);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = $init:expr; $($rest:tt)*) => {
        $crate::thread_local!($(#[$attr])* $vis static $name: $t = $init);
        $crate::thread_local!($($rest)*);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = $init:expr) => {
        $(#[$attr])* $vis static $name: $crate::thread::LocalKey<$t> =
            $crate::thread::LocalKey::new(|| $init);
    };
}
