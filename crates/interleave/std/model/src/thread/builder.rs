//! `thread::Builder`.

use std::io;
use std::panic::Location;

use super::{JoinHandle, Scope, ScopedJoinHandle, spawn};

/// The settings of a new thread, as [`std::thread::Builder`]. The stack size is
/// ignored.
#[derive(Debug, Default)]
#[must_use = "must eventually spawn the thread"]
pub struct Builder {
    pub(super) name: Option<String>,
}

impl Builder {
    /// A thread without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the thread.
    pub fn name(mut self, name: String) -> Self {
        self.name = Some(name);
        self
    }

    /// Ignored: a modelled thread's stack has the size that its explorer gives it.
    pub fn stack_size(self, _size: usize) -> Self {
        self
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// Never; std's may.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        Ok(spawn::start(f, self.name, Location::caller()))
    }

    /// Starts a thread that may borrow, like [`Self::spawn`].
    ///
    /// # Safety
    /// As for std: the thread must end before what it borrows is gone.
    ///
    /// # Errors
    /// Never; std's may.
    #[track_caller]
    pub unsafe fn spawn_unchecked<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        // SAFETY: the caller promises it.
        Ok(unsafe { spawn::start_unchecked(f, self.name, Location::caller()) })
    }

    /// Starts the thread in a scope.
    ///
    /// # Errors
    /// Never; std's may.
    #[track_caller]
    pub fn spawn_scoped<'scope, 'env, F, T>(
        self,
        scope: &'scope Scope<'scope, 'env>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        Ok(scope.start(f, self.name, Location::caller()))
    }
}
