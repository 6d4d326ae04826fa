//! `Once`: one thread runs the initializer, the others wait for it. Its word says how far it is.
//!
//! What the initializer did happens before everything that finds it initialized.

use std::cell::Cell;
use std::fmt;
use std::panic::{self, AssertUnwindSafe, Location};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use interleave_search::{Change, Guard, Op};

use crate::kernel::{
    self, Place, Run,
    object::{Header, Kind, ObjectId, Word},
    performing::Waiting,
    thread::Wait,
};

// How far it is.
const INCOMPLETE: u64 = 0;
const RUNNING: u64 = 1;
const COMPLETE: u64 = 2;
const POISONED: u64 = 3;

/// One-time initialization, as [`std::sync::Once`].
pub struct Once {
    header: Header,
    /// How far it was when it was last outside of an exploration.
    progress: Cell<u64>,
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
            progress: Cell::new(INCOMPLETE),
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

    fn enter(&self) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(Kind::Once);
        let id = self
            .header
            .id_reset(&run, Kind::Once, self, || [Word::new(self.progress.get())]);
        (run, id)
    }

    pub(super) fn wait_for_it(&self, force: bool, verb: &'static str, at: Place) {
        let (run, id) = self.enter();
        let least = if force {
            Guard::Equals(COMPLETE)
        } else {
            Guard::AtLeast(COMPLETE)
        };
        let op = Op::load(run.word(id), Ordering::Acquire).when(least);
        let waits = run.event(id, verb, "waits", at);
        let found = run.wait(op, Wait::Once(id), waits, at).read;
        assert!(
            found == COMPLETE,
            "Once instance has previously been poisoned"
        );
        run.tell(id, verb, "initialized", at);
    }

    /// Whether it is initialized.
    #[track_caller]
    pub fn is_completed(&self) -> bool {
        self.look(Location::caller(), "is_completed")
    }

    /// Checks whether it is initialized.
    pub(super) fn look(&self, at: Place, verb: &'static str) -> bool {
        let (run, id) = self.enter();
        let op = Op::load(run.word(id), Ordering::Acquire);
        let done = run.access(id, op, at).read == COMPLETE;
        let word = if done {
            "initialized"
        } else {
            "not initialized"
        };
        run.tell(id, verb, word, at);
        done
    }

    /// True if it was completed. This takes no step: for callers with `&mut` access.
    pub(super) fn complete_now(&self) -> bool {
        let known = kernel::running().and_then(|run| {
            let id = self.header.known(&run)?;
            Some(run.settled(id))
        });
        known.unwrap_or(self.progress.get()) == COMPLETE
    }

    /// Makes it new again, for callers with `&mut` access.
    pub(super) fn reset(&mut self) {
        self.progress.set(INCOMPLETE);
        self.header.forget();
    }

    /// Marks it as completed, for an object that is being made.
    pub(super) fn set_complete(&self) {
        self.progress.set(COMPLETE);
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
        let (run, id) = self.enter();
        let begin = |from| {
            let change = Change::CompareExchange(from, RUNNING);
            Op::update(run.word(id), change, Ordering::Acquire)
                .or_else(Ordering::Acquire)
                .when(Guard::Differs(RUNNING))
        };
        let waiting = Waiting {
            wait: Wait::Once(id),
            is_timed: false,
            event: Some(run.event(id, verb, "waits", at)),
        };
        let mut outcome = run.announce(begin(INCOMPLETE), Some(waiting), at);
        while outcome.written.is_none() {
            if outcome.read == COMPLETE {
                run.tell(id, verb, "already initialized", at);
                return Ok(());
            }
            assert!(
                force || outcome.read != POISONED,
                "Once instance has previously been poisoned"
            );
            outcome = run.announce(begin(outcome.read), Some(waiting), at);
        }
        run.acted();
        run.tell(id, verb, "initializes", at);
        run.state.borrow_mut().objects[id as usize].owner = Some(run.me());
        let state = OnceState {
            poisoned: outcome.read == POISONED,
        };
        let result = panic::catch_unwind(AssertUnwindSafe(|| f(&state)));
        let end = match &result {
            Ok(Ok(())) => COMPLETE,
            Ok(Err(_)) => INCOMPLETE,
            Err(_) => POISONED,
        };
        let op = Op::update(run.word(id), Change::Swap(end), Ordering::Release);
        run.perform(op, at);
        run.acted();
        run.state.borrow_mut().objects[id as usize].owner = None;
        run.tell(id, verb, "done", at);
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
