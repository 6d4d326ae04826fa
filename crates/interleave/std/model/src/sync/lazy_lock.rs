//! `LazyLock`: a value that its first user makes.

use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

use super::once_lock::OnceLock;

/// A value made on first use, as [`std::sync::LazyLock`].
pub struct LazyLock<T, F = fn() -> T> {
    cell: OnceLock<T>,
    init: ManuallyDrop<F>,
    init_is_gone: Cell<bool>,
}

// SAFETY: only the thread that initializes takes `init`, as in std's LazyLock.
unsafe impl<T: Sync + Send, F: Send> Sync for LazyLock<T, F> {}
impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for LazyLock<T, F> {}
impl<T: UnwindSafe, F: UnwindSafe> UnwindSafe for LazyLock<T, F> {}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// A value that `f` will make.
    #[track_caller]
    pub const fn new(f: F) -> Self {
        Self {
            cell: OnceLock::new(),
            init: ManuallyDrop::new(f),
            init_is_gone: Cell::new(false),
        }
    }

    /// Makes the value, if need be, and returns it.
    ///
    /// # Panics
    /// If an earlier attempt panicked.
    #[track_caller]
    pub fn force(this: &Self) -> &T {
        this.cell.get_or_make(Location::caller(), || {
            this.init_is_gone.set(true);
            // SAFETY: the cell lets one thread in here once in an execution. For a static, it lets
            // a thread in again in the next execution. The initializer of a static is a constant
            // that owns nothing, so to read it again is the same as to evaluate the constant again.
            let f = unsafe { std::ptr::read(&raw const this.init) };
            ManuallyDrop::into_inner(f)()
        })
    }
}

impl<T, F: FnOnce() -> T> LazyLock<T, F> {
    /// Makes the value, if need be, and returns it to be changed.
    ///
    /// # Panics
    /// If an earlier attempt panicked.
    #[track_caller]
    pub fn force_mut(this: &mut Self) -> &mut T {
        Self::force(this);
        match this.cell.get_mut() {
            Some(value) => value,
            None => unreachable!("a forced LazyLock holds a value"),
        }
    }
}

impl<T, F> LazyLock<T, F> {
    /// The value, if it has been made.
    #[track_caller]
    pub fn get(this: &Self) -> Option<&T> {
        this.cell.get()
    }

    /// The value, if it has been made, to be changed.
    pub fn get_mut(this: &mut Self) -> Option<&mut T> {
        this.cell.get_mut()
    }
}

impl<T, F: FnOnce() -> T> DerefMut for LazyLock<T, F> {
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        Self::force_mut(self)
    }
}

impl<T, F> Drop for LazyLock<T, F> {
    fn drop(&mut self) {
        if !self.init_is_gone.get() {
            // SAFETY: it was never taken, and nobody can use it after this.
            unsafe { ManuallyDrop::drop(&mut self.init) };
        }
    }
}

impl<T, F: FnOnce() -> T> Deref for LazyLock<T, F> {
    type Target = T;
    #[track_caller]
    fn deref(&self) -> &T {
        Self::force(self)
    }
}

impl<T: Default> Default for LazyLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for LazyLock<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cell.fmt(f)
    }
}
