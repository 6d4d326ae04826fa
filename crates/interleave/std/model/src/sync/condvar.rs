//! `Condvar`: a word with a bit for each thread that waits.
//!
//! To wait is three operations: the thread sets its bit, releases the mutex, and goes on when its bit
//! is gone. The bit is set before the mutex is released, so that whoever takes the mutex next can
//! notify it. A notification takes away any one bit, or all; a wait may also end for no reason, once
//! for each thread. A notification orders nothing: the mutex does.

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::rc::Rc;
use std::sync::LockResult;
use std::sync::atomic::Ordering;
use std::time::Duration;

use interleave_search::{Change, Guard, Op};

use super::mutex::{MutexGuard, acquire, poison_or, release};
use crate::kernel::{
    self, Run,
    object::{Header, Kind, ObjectId, Word},
    performing::{Waiting, Woken},
    thread::Wait,
};
use crate::time::deadline;

/// A condition variable, as [`std::sync::Condvar`].
pub struct Condvar {
    header: Header,
}

// SAFETY: the header is only touched by the one modelled thread that runs (see `kernel`).
unsafe impl Send for Condvar {}
// SAFETY: as above.
unsafe impl Sync for Condvar {}
impl std::panic::UnwindSafe for Condvar {}
impl std::panic::RefUnwindSafe for Condvar {}

/// Whether a timed wait timed out, as [`std::sync::WaitTimeoutResult`].
#[derive(Debug, PartialEq, Eq, Copy, Clone)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// True if the time was up before a notification came.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    /// A condition variable without waiters.
    #[track_caller]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            header: Header::new(),
        }
    }

    fn enter(&self) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(Kind::Condvar);
        let id = self.header.id(&run, Kind::Condvar, || [Word::new(0)]);
        (run, id)
    }

    /// Gives the mutex up, waits for a notification, and takes the mutex again.
    ///
    /// # Errors
    /// If the mutex is poisoned when it is taken again; the error holds the guard.
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.wait_until(guard, None, "wait", Location::caller()).0
    }

    /// [`Self::wait`], again and again while `condition` holds.
    ///
    /// # Errors
    /// If the mutex is poisoned when it is taken again; the error holds the guard.
    #[track_caller]
    pub fn wait_while<'a, T: ?Sized, F: FnMut(&mut T) -> bool>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: F,
    ) -> LockResult<MutexGuard<'a, T>> {
        let at = Location::caller();
        while condition(&mut *guard) {
            guard = self.wait_until(guard, None, "wait_while", at).0?;
        }
        Ok(guard)
    }

    /// [`Self::wait`] for at most `timeout`.
    ///
    /// # Errors
    /// If the mutex is poisoned when it is taken again; the error holds the guard.
    #[track_caller]
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let end = deadline(&kernel::must_run(Kind::Condvar), timeout);
        let (guard, woken) = self.wait_until(guard, Some(end), "wait_timeout", Location::caller());
        pair(guard, WaitTimeoutResult(!woken))
    }

    /// [`Self::wait_timeout`], with the time in milliseconds. The boolean is false if the time was
    /// up.
    ///
    /// # Errors
    /// If the mutex is poisoned when it is taken again; the error holds the guard.
    #[deprecated = "use wait_timeout"]
    #[track_caller]
    pub fn wait_timeout_ms<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        ms: u32,
    ) -> LockResult<(MutexGuard<'a, T>, bool)> {
        let timeout = Duration::from_millis(ms.into());
        match self.wait_timeout(guard, timeout) {
            Ok((guard, result)) => Ok((guard, !result.timed_out())),
            Err(poisoned) => {
                let (guard, result) = poisoned.into_inner();
                poison_or((guard, !result.timed_out()), true)
            }
        }
    }

    /// [`Self::wait_while`] for at most `timeout`.
    ///
    /// # Errors
    /// If the mutex is poisoned when it is taken again; the error holds the guard.
    #[track_caller]
    pub fn wait_timeout_while<'a, T: ?Sized, F: FnMut(&mut T) -> bool>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: F,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let at = Location::caller();
        let run = kernel::must_run(Kind::Condvar);
        let end = deadline(&run, timeout);
        loop {
            if !condition(&mut *guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            if run.clock() >= end {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            match self
                .wait_until(guard, Some(end), "wait_timeout_while", at)
                .0
            {
                Ok(again) => guard = again,
                Err(poisoned) => return pair(Err(poisoned), WaitTimeoutResult(false)),
            }
        }
    }

    fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        end: Option<u64>,
        verb: &'static str,
        at: kernel::Place,
    ) -> (LockResult<MutexGuard<'a, T>>, bool) {
        let (run, id) = self.enter();
        // The guard's destructor would also unlock.
        let guard = ManuallyDrop::new(guard);
        let (mutex, locked_at) = guard.parts();
        let lock = mutex.lock_id(&run);
        let word = run.word(id);
        let mine = 1 << run.me();
        let relaxed = Ordering::Relaxed;
        run.perform(Op::update(word, Change::Or(mine), relaxed), at);
        run.tell(id, verb, "unlocks and waits", at);
        release(&run, lock, false, at);
        let leave = Op::update(word, Change::And(!mine), relaxed);
        let waiting = Waiting {
            wait: Wait::Condvar(id),
            is_timed: end.is_some(),
            event: None,
        };
        let woken = run.timed_wait(leave, Guard::Without(mine), waiting, end, at);
        run.tell(id, verb, woken.word("notified"), at);
        let outcome = acquire(&run, lock, at, "locked again");
        (
            mutex.guard_again(&run, outcome, locked_at),
            woken != Woken::InVain,
        )
    }

    /// Wakes one waiter, if there is one.
    #[track_caller]
    pub fn notify_one(&self) {
        self.notify("notify_one", Change::TakeBit, Location::caller());
    }

    /// Wakes all waiters.
    #[track_caller]
    pub fn notify_all(&self) {
        self.notify("notify_all", Change::Swap(0), Location::caller());
    }

    fn notify(&self, verb: &'static str, change: Change, at: kernel::Place) {
        let (run, id) = self.enter();
        let op = Op::update(run.word(id), change, Ordering::Relaxed);
        let outcome = run.perform(op, at);
        run.acted();
        let gone = outcome.read & !outcome.written.unwrap_or(outcome.read);
        run.tell(id, verb, woken(gone.count_ones()), at);
    }
}

/// How many threads a notification wakes, in words.
pub(crate) fn woken(count: u32) -> &'static str {
    match count {
        0 => "no thread waits",
        1 => "wakes one",
        _ => "wakes several",
    }
}

fn pair<G>(guard: LockResult<G>, result: WaitTimeoutResult) -> LockResult<(G, WaitTimeoutResult)> {
    match guard {
        Ok(guard) => Ok((guard, result)),
        Err(poisoned) => poison_or((poisoned.into_inner(), result), true),
    }
}

impl Default for Condvar {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
