//! `Once`: one thread runs the initializer, the others wait for it.

use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, Location};
use std::sync::atomic::Ordering;

use crate::kernel::{
    self, Place,
    event::{Event, Returned, Step},
    object::{Header, Kind},
    thread::Wait,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    Incomplete,
    Running,
    Complete,
    Poisoned,
}

/// One-time initialization, as [`std::sync::Once`].
pub struct Once {
    header: Header,
    progress: Cell<Progress>,
}

// SAFETY: the cells are only touched by the one modelled thread that runs (see `kernel`).
unsafe impl Send for Once {}
// SAFETY: as above.
unsafe impl Sync for Once {}
impl std::panic::UnwindSafe for Once {}
impl std::panic::RefUnwindSafe for Once {}

/// A [`Once`] that has not run yet.
#[deprecated = "use Once::new"]
#[allow(clippy::declare_interior_mutable_const)]
pub const ONCE_INIT: Once = Once::new();

/// Whether an earlier attempt panicked, as [`std::sync::OnceState`].
#[derive(Debug)]
pub struct OnceState {
    poisoned: bool,
}

impl OnceState {
    /// True if an earlier attempt panicked.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}

impl Once {
    /// A `Once` that is not yet initialized.
    #[track_caller]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            header: Header::new(),
            progress: Cell::new(Progress::Incomplete),
        }
    }

    /// Runs `f`, unless this or another thread has already run such a closure to its end.
    ///
    /// # Panics
    /// If an earlier attempt panicked.
    #[track_caller]
    pub fn call_once<F: FnOnce()>(&self, f: F) {
        self.call(false, "call_once", Location::caller(), |_| {
            f();
            Ok::<(), std::convert::Infallible>(())
        })
        .unwrap_or_else(|never| match never {});
    }

    /// Like [`Self::call_once`], but it also runs `f` after an attempt that panicked.
    #[track_caller]
    pub fn call_once_force<F: FnOnce(&OnceState)>(&self, f: F) {
        self.call(true, "call_once_force", Location::caller(), |state| {
            f(state);
            Ok::<(), std::convert::Infallible>(())
        })
        .unwrap_or_else(|never| match never {});
    }

    /// Waits until another thread has initialized it.
    ///
    /// # Panics
    /// If an attempt panicked.
    #[track_caller]
    pub fn wait(&self) {
        self.wait_for_it(false, "wait", Location::caller());
    }

    /// Like [`Self::wait`], but an attempt that panicked does not end the wait.
    #[track_caller]
    pub fn wait_force(&self) {
        self.wait_for_it(true, "wait_force", Location::caller());
    }

    pub(super) fn wait_for_it(&self, force: bool, verb: &'static str, at: Place) {
        while !self.look(at, verb) {
            let run = kernel::must_run(Kind::Once);
            let id = self.header.id_reset(&run, Kind::Once, self);
            assert!(
                force || self.progress.get() != Progress::Poisoned,
                "Once instance has previously been poisoned"
            );
            run.block(Wait::Once(id), Step::read(id), at);
        }
    }

    /// Whether it is initialized.
    #[track_caller]
    pub fn is_completed(&self) -> bool {
        self.look(Location::caller(), "is_completed")
    }

    /// Checks in one step whether it is initialized.
    pub(super) fn look(&self, at: Place, verb: &'static str) -> bool {
        let run = kernel::must_run(Kind::Once);
        let id = self.header.id_reset(&run, Kind::Once, self);
        run.point(Step::read(id), id, Ordering::Acquire, at);
        let done = self.progress.get() == Progress::Complete;
        let mut event = Event::new(run.me(), verb, at);
        event.object = Some(id);
        event.returned = Returned::Word(if done {
            "initialized"
        } else {
            "not initialized"
        });
        run.log(event);
        if !done {
            run.saw(id, 0);
        }
        done
    }

    /// True if it was completed. This takes no step: for callers with `&mut` access.
    pub(super) fn complete_now(&self) -> bool {
        self.progress.get() == Progress::Complete
    }

    /// Makes it new again, for callers with `&mut` access.
    pub(super) fn reset(&mut self) {
        self.progress.set(Progress::Incomplete);
        self.header.forget();
    }

    /// Marks it as completed, for an object that is being made.
    pub(super) fn set_complete(&self) {
        self.progress.set(Progress::Complete);
    }

    /// Runs `f` unless a thread has already run such a closure to its end. An `Err` leaves it
    /// incomplete.
    pub(super) fn call<E>(
        &self,
        force: bool,
        verb: &'static str,
        at: Place,
        f: impl FnOnce(&OnceState) -> Result<(), E>,
    ) -> Result<(), E> {
        let run = kernel::must_run(Kind::Once);
        let id = self.header.id_reset(&run, Kind::Once, self);
        run.point(Step::write(id), id, Ordering::Acquire, at);
        let mut event = Event::new(run.me(), verb, at);
        event.object = Some(id);
        while self.progress.get() == Progress::Running {
            event.returned = Returned::Word("waits");
            run.log(event);
            run.block(Wait::Once(id), Step::write(id), at);
            run.resync(id, Ordering::Acquire);
        }
        let poisoned = match self.progress.get() {
            Progress::Complete => {
                event.returned = Returned::Word("already initialized");
                run.log(event);
                return Ok(());
            }
            Progress::Poisoned => {
                assert!(force, "Once instance has previously been poisoned");
                true
            }
            Progress::Incomplete | Progress::Running => false,
        };
        event.returned = Returned::Word("initializes");
        run.log(event);
        self.progress.set(Progress::Running);
        run.state.borrow_mut().objects[id as usize].owner = Some(run.me());
        run.changed(id);
        let state = OnceState { poisoned };
        let result = panic::catch_unwind(AssertUnwindSafe(|| f(&state)));
        run.point(Step::write(id), id, Ordering::Release, at);
        self.progress.set(match &result {
            Ok(Ok(())) => Progress::Complete,
            Ok(Err(_)) => Progress::Incomplete,
            Err(_) => Progress::Poisoned,
        });
        run.state.borrow_mut().objects[id as usize].owner = None;
        event.returned = Returned::Word("done");
        run.log(event);
        run.wake_all(Wait::Once(id));
        run.changed(id);
        match result {
            Ok(result) => result,
            Err(payload) => panic::resume_unwind(payload),
        }
    }
}

impl Default for Once {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
