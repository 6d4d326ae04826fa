//! `OnceLock`: a value behind a [`Once`].

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

use super::once::Once;

/// A cell that is written once, as [`std::sync::OnceLock`].
///
/// When a static is used in a new execution, its `Once` is new again. The value of an earlier
/// execution is then overwritten without being dropped.
pub struct OnceLock<T> {
    once: Once,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: as for std's OnceLock: the value may move to another thread, or be shared with it.
unsafe impl<T: Sync + Send> Sync for OnceLock<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for OnceLock<T> {}
impl<T: RefUnwindSafe + UnwindSafe> RefUnwindSafe for OnceLock<T> {}
impl<T: UnwindSafe> UnwindSafe for OnceLock<T> {}

impl<T> OnceLock<T> {
    /// An empty cell.
    #[track_caller]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            once: Once::new(),
            value: UnsafeCell::new(None),
        }
    }

    fn value(&self) -> Option<&T> {
        // SAFETY: the value is written once, before the `Once` is complete, and we only get here
        // after that; from then on it is only read.
        unsafe { (*self.value.get()).as_ref() }
    }

    /// The value, if it is there.
    #[track_caller]
    pub fn get(&self) -> Option<&T> {
        if self.once.look(Location::caller(), "get") {
            self.value()
        } else {
            None
        }
    }

    /// The value, if it is there.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        if self.once.complete_now() {
            self.value.get_mut().as_mut()
        } else {
            None
        }
    }

    /// Puts the value in.
    ///
    /// # Errors
    /// Gives `value` back if there is one already.
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut value = Some(value);
        self.fill("set", Location::caller(), || {
            Ok::<_, std::convert::Infallible>(value.take())
        })
        .unwrap_or_else(|never| match never {});
        value.map_or(Ok(()), Err)
    }

    /// The value; `f` makes it if it is not there.
    #[track_caller]
    pub fn get_or_init<F: FnOnce() -> T>(&self, f: F) -> &T {
        let at = Location::caller();
        self.fill("get_or_init", at, || {
            Ok::<_, std::convert::Infallible>(Some(f()))
        })
        .unwrap_or_else(|never| match never {});
        match self.value() {
            Some(value) => value,
            None => unreachable!("a completed OnceLock holds a value"),
        }
    }

    /// Waits until the value is there.
    #[track_caller]
    pub fn wait(&self) -> &T {
        self.once.wait_for_it(true, "wait", Location::caller());
        match self.value() {
            Some(value) => value,
            None => unreachable!("a completed OnceLock holds a value"),
        }
    }

    fn fill<E>(
        &self,
        verb: &'static str,
        at: crate::kernel::Place,
        f: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<(), E> {
        self.once.call(true, verb, at, |_| {
            let made = f()?;
            // SAFETY: the `Once` lets one thread in here, and no thread reads before it is
            // complete.
            let old = unsafe { std::mem::replace(&mut *self.value.get(), made) };
            // An old value comes from an earlier execution: its destructor would run in the wrong
            // one.
            std::mem::forget(old);
            Ok(())
        })
    }

    /// [`Self::get_or_init`] that panics if an earlier attempt panicked.
    pub(super) fn get_or_make(&self, at: crate::kernel::Place, f: impl FnOnce() -> T) -> &T {
        self.once
            .call(false, "force", at, |_| {
                let made = Some(f());
                // SAFETY: as in `fill`.
                std::mem::forget(unsafe { std::mem::replace(&mut *self.value.get(), made) });
                Ok::<_, std::convert::Infallible>(())
            })
            .unwrap_or_else(|never| match never {});
        match self.value() {
            Some(value) => value,
            None => unreachable!("a completed OnceLock holds a value"),
        }
    }

    /// The value, if there is one.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out.
    pub fn take(&mut self) -> Option<T> {
        self.once.reset();
        self.value.get_mut().take()
    }
}

impl<T> Default for OnceLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<T> for OnceLock<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        let cell = Self {
            once: Once::new(),
            value: UnsafeCell::new(Some(value)),
        };
        cell.once.set_complete();
        cell
    }
}

impl<T: Clone> Clone for OnceLock<T> {
    #[track_caller]
    fn clone(&self) -> Self {
        self.get()
            .map_or_else(Self::new, |value| Self::from(value.clone()))
    }
}

impl<T: PartialEq> PartialEq for OnceLock<T> {
    #[track_caller]
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceLock<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_tuple("OnceLock");
        if self.once.complete_now() {
            text.field(&self.value()).finish()
        } else {
            text.field(&format_args!("<uninit>")).finish()
        }
    }
}
