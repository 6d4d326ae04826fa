//! Blocking, waking and ending threads, and noticing that no thread can run.

use std::sync::atomic::Ordering;

use super::{
    Place, Run, State,
    event::Step,
    failure::FailureKind,
    panics,
    thread::{Status, Wait, letter},
};

impl State {
    fn somebody_can_run(&self) -> bool {
        self.threads
            .iter()
            .any(|thread| matches!(thread.status, Status::Ready | Status::Timed(..)))
    }

    /// The threads that wait for `wait`, in the order in which they began to wait.
    pub(crate) fn waiters(&self, wait: Wait) -> Vec<usize> {
        let mut waiters: Vec<_> = self
            .threads
            .iter()
            .enumerate()
            .filter(|(_, thread)| thread.wait() == Some(wait))
            .map(|(number, thread)| (thread.since, number))
            .collect();
        waiters.sort_unstable();
        waiters.into_iter().map(|(_, number)| number).collect()
    }
}

impl Run {
    /// Blocks the current thread until another thread wakes it. What it does first after that is
    /// `then`.
    pub(crate) fn block(&self, wait: Wait, then: Step, at: Place) {
        let me = self.me();
        self.begin_wait(me, Status::Blocked(wait), then, at);
        loop {
            self.engine.pause();
            self.current.set(me);
            if self.state.borrow().retiring {
                self.retire();
            }
            if self.state.borrow().threads[me].status == Status::Ready {
                return;
            }
        }
    }

    /// Like [`Self::block`], until `deadline` of the virtual clock at the latest. True if another
    /// thread woke it, false if its time was up.
    pub(crate) fn block_until(&self, deadline: u64, wait: Wait, then: Step, at: Place) -> bool {
        let me = self.me();
        self.begin_wait(me, Status::Timed(wait, deadline), then, at);
        self.engine.pause();
        self.current.set(me);
        let mut state = self.state.borrow_mut();
        if state.threads[me].status == Status::Ready {
            return true;
        }
        state.threads[me].status = Status::Ready;
        state.clock = state.clock.max(deadline);
        false
    }

    /// [`Self::block`] or [`Self::block_until`].
    pub(crate) fn block_maybe_until(
        &self,
        deadline: Option<u64>,
        wait: Wait,
        then: Step,
        at: Place,
    ) -> bool {
        match deadline {
            Some(deadline) => self.block_until(deadline, wait, then, at),
            None => {
                self.block(wait, then, at);
                true
            }
        }
    }

    fn begin_wait(&self, me: usize, status: Status, then: Step, at: Place) {
        let mut state = self.state.borrow_mut();
        if state.stopping {
            drop(state);
            self.engine.stop();
        }
        state.waits += 1;
        state.fruitless = 0;
        let since = state.waits;
        let thread = &mut state.threads[me];
        thread.status = status;
        thread.since = since;
        thread.next = Some(then);
        thread.at = at;
        thread.idle = 0;
        thread.seen.clear();
        if !state.somebody_can_run() {
            drop(state);
            self.nobody_can_run();
            self.retire();
        }
    }

    /// Ends a thread that waits for ever, and that may outlive the scenario.
    fn retire(&self) -> ! {
        let me = self.me();
        self.state.borrow_mut().threads[me].status = Status::Finished;
        self.engine.retire()
    }

    /// Makes a waiting thread ready.
    pub(crate) fn wake(&self, thread: usize) {
        self.state.borrow_mut().threads[thread].status = Status::Ready;
        self.engine.wake(thread);
    }

    /// Wakes all threads that wait for `wait`. Returns how many there were.
    pub(crate) fn wake_all(&self, wait: Wait) -> usize {
        let waiters = self.state.borrow().waiters(wait);
        for &thread in &waiters {
            self.wake(thread);
        }
        waiters.len()
    }

    /// Wakes the thread that has waited longest for `wait`. Returns whether there was one.
    pub(crate) fn wake_one(&self, wait: Wait) -> bool {
        let first = self.state.borrow().waiters(wait).first().copied();
        if let Some(thread) = first {
            self.wake(thread);
        }
        first.is_some()
    }

    /// The current thread has ended. The engine's own thread function returns after this.
    pub fn end_thread(&self) {
        let me = self.me();
        let object = self.state.borrow().threads[me].object;
        self.resync(object, Ordering::Release);
        {
            let mut state = self.state.borrow_mut();
            state.fruitless = 0;
            let thread = &mut state.threads[me];
            thread.status = Status::Finished;
            thread.spinning = false;
        }
        self.wake_all(Wait::Join(me));
        self.changed(object);
        let state = self.state.borrow();
        if !state.somebody_can_run()
            && state
                .threads
                .iter()
                .any(|thread| thread.status != Status::Finished)
        {
            drop(state);
            self.nobody_can_run();
        }
    }

    /// Returns only if that is not a failure: then the threads that wait are about to retire.
    fn nobody_can_run(&self) {
        // Brings the notes about which thread is unwinding up to date.
        let _ = self.panicking();
        let state = self.state.borrow();
        if state.scenario_ended && state.may_outlive {
            let waiting: Vec<_> = (0..state.threads.len())
                .filter(|thread| matches!(state.threads[*thread].status, Status::Blocked(_)))
                .collect();
            drop(state);
            self.state.borrow_mut().retiring = true;
            for thread in waiting {
                self.engine.wake(thread);
            }
            return;
        }
        let blocked: Vec<_> = state
            .threads
            .iter()
            .filter(|thread| matches!(thread.status, Status::Blocked(_)))
            .collect();
        let at = blocked
            .iter()
            .map(|thread| thread.at)
            .find(|at| at.file() != state.scenario)
            .or(blocked.first().map(|thread| thread.at));
        let mut message = if state.scenario_ended {
            String::from("the scenario has ended, but a thread that it started waits for ever")
        } else {
            match blocked.len() {
                1 => String::from(
                    "deadlock: the only thread left waits, and no other thread can wake it",
                ),
                n => format!("deadlock: {n} threads wait, and no other thread can wake them"),
            }
        };
        message.push_str(&state.who_waits());
        let mut kind = if state.scenario_ended {
            FailureKind::Leak
        } else {
            FailureKind::Deadlock
        };
        let mut at = at.map(Into::into);
        let panicked = state
            .threads
            .iter()
            .enumerate()
            .find(|(_, thread)| thread.unobserved_panic || thread.unwinding);
        if let Some((number, thread)) = panicked
            && let Some(note) = &thread.panic
        {
            kind = panics::kind(&state, note);
            message = format!(
                "thread {} panicked: {}\nafter that, {message}",
                letter(number),
                note.message
            );
            at = note.at.clone().or(at);
        }
        drop(state);
        self.fail(kind, message, at)
    }
}
