//! `Condvar`: waiters are woken in the order in which they began to wait, and then race for the
//! mutex.

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::rc::Rc;
use std::sync::LockResult;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::mutex::{MutexGuard, acquire, poison_or, release};
use crate::kernel::{
    self, Run,
    engine::{Engine, ObjectId, Seed},
    event::{Event, Returned, Step},
    object::{Header, Kind},
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
        let id = self.header.id(&run, Kind::Condvar, || Seed::Plain);
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
            if run.state.borrow().clock >= end {
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
        // The guard's destructor would unlock. This wait unlocks and joins the queue in one step
        // instead.
        let guard = ManuallyDrop::new(guard);
        let (mutex, locked_at) = guard.parts();
        let lock = mutex.lock_id(&run);
        let both = Step::both(lock, id);
        run.step(both, at, |engine: &dyn Engine| {
            engine.point(Some(lock), Ordering::Release);
        });
        run.resync(id, Ordering::Relaxed);
        let mut event = Event::new(run.me(), verb, at);
        event.object = Some(id);
        event.returned = Returned::Word("unlocks and waits");
        run.log(event);
        release(&run, lock);
        let then = if end.is_some() {
            both
        } else {
            Step::write(lock)
        };
        let woken = run.block_maybe_until(end, Wait::Condvar(id), then, at);
        event.returned = Returned::Word(if woken { "notified" } else { "timed out" });
        run.log(event);
        run.resync(lock, Ordering::Acquire);
        retake(&run, lock, at);
        (mutex.guard_again(&run, locked_at), woken)
    }

    /// Wakes one waiter, if there is one.
    #[track_caller]
    pub fn notify_one(&self) {
        self.notify("notify_one", Location::caller(), |run, id| {
            usize::from(run.wake_one(Wait::Condvar(id)))
        });
    }

    /// Wakes all waiters.
    #[track_caller]
    pub fn notify_all(&self) {
        self.notify("notify_all", Location::caller(), |run, id| {
            run.wake_all(Wait::Condvar(id))
        });
    }

    fn notify(
        &self,
        verb: &'static str,
        at: kernel::Place,
        wake: impl FnOnce(&Run, ObjectId) -> usize,
    ) {
        let (run, id) = self.enter();
        run.point(Step::write(id), id, Ordering::Relaxed, at);
        let woken = wake(&run, id);
        let mut event = Event::new(run.me(), verb, at);
        event.object = Some(id);
        event.returned = Returned::Word(match woken {
            0 => "no thread waits",
            1 => "wakes one",
            _ => "wakes several",
        });
        run.log(event);
        if woken > 0 {
            run.changed(id);
        }
    }
}

/// Takes the lock after a wait. The wait was the scheduling point.
fn retake(run: &Run, lock: ObjectId, at: kernel::Place) {
    let free = run.state.borrow().objects[lock as usize].owner.is_none();
    if free {
        run.state.borrow_mut().objects[lock as usize].owner = Some(run.me());
        run.changed(lock);
        let mut event = Event::new(run.me(), "lock", at);
        event.object = Some(lock);
        event.returned = Returned::Word("locked again");
        run.log(event);
    } else {
        acquire(run, lock, at, "lock");
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
