//! A gate where calls meet, for tests of what must happen at the same time.

use std::sync::OnceLock;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use records::Outcome;

use super::rest::threads_left;
use crate::outcome::Failing;

/// A place in a test's closures where calls wait until a number of them is
/// inside at the same time. Then the gate opens, and it stays open.
///
/// ```text
///  call a ──▶ meet ···waits···┐
///  call b ──▶ meet ···waits···┼──▶ all three go on, and later calls do not wait
///  call c ──────────▶ meet ───┘
/// ```
///
/// The last of them does not open the gate at once: it first waits until every
/// other thread of the process has ended or waits, so that every call that can
/// arrive has arrived. [`meet`](Gate::meet) says how many were inside: a number
/// above the width means that more calls were in progress than there should be.
/// Neither the machine's speed nor the number of its CPUs changes that number.
///
/// If too few calls arrive, the gate stays closed. The threads wait in the
/// kernel, so the judge proves the deadlock (or reaches its deadline, if
/// another thread keeps looking at a clock), and [`explained`](Gate::explained)
/// adds what that means.
///
/// ```
/// use std::thread;
///
/// let gate = proctor::Gate::new(2);
/// let met = thread::scope(|scope| {
///     let other = scope.spawn(|| gate.meet());
///     (gate.meet(), other.join().unwrap())
/// });
/// assert_eq!(met, (2, 2));
/// assert_eq!(gate.meet(), 2); // it is open
/// ```
///
/// It uses no more of std than a lock and a condition variable, and it may be a
/// `static`.
#[derive(Debug)]
pub struct Gate {
    width: usize,
    state: Mutex<State>,
    opened: Condvar,
    /// How many calls were inside, once the gate is open. The many calls that
    /// arrive later read it without the lock.
    met: OnceLock<usize>,
}

#[derive(Debug)]
struct State {
    /// Calls that came before the gate was open.
    inside: usize,
    open: bool,
}

impl Gate {
    /// A gate that opens when `width` calls are inside. With a width of 0 or 1,
    /// no call waits for another call.
    pub const fn new(width: usize) -> Self {
        Gate {
            width,
            state: Mutex::new(State {
                inside: 0,
                open: false,
            }),
            opened: Condvar::new(),
            met: OnceLock::new(),
        }
    }

    /// Waits until the gate is open, and returns how many calls were inside
    /// when it opened.
    pub fn meet(&self) -> usize {
        if let Some(inside) = self.met.get() {
            return *inside;
        }
        let mut state = self.state();
        if !state.open {
            state.inside += 1;
            if state.inside == self.width.max(1) {
                drop(state);
                // Every other call that can arrive arrives now, and waits
                // inside.
                threads_left();
                state = self.state();
                state.open = true;
                let _ = self.met.set(state.inside);
                self.opened.notify_all();
            } else {
                let closed = |state: &mut State| !state.open;
                let waited = self.opened.wait_while(state, closed);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
        state.inside
    }

    /// How many calls came before it was open.
    pub fn inside(&self) -> usize {
        self.state().inside
    }

    /// For the judge: if the subject hangs, puts what a hang at this gate means
    /// before the cause of the verdict. Other verdicts stay as they are.
    ///
    /// ```ignore
    /// let answer = subject.try_ask(&question).unwrap_or_else(|failing| {
    ///     Gate::explained(failing, "fewer than 4 calls of f are in progress at once").end()
    /// });
    /// ```
    #[must_use]
    pub fn explained(mut failing: Failing, meaning: &str) -> Failing {
        let hangs = [Outcome::Deadlock, Outcome::Timeout, Outcome::Spin];
        if hangs.contains(&failing.outcome) {
            failing.cause = format!("{meaning}\n{}", failing.cause);
        }
        failing
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
