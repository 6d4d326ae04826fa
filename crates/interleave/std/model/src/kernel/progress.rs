//! Telling a spin from progress.
//!
//! A thread that reads the same places again and sees the same values is *idle*. After [`PATIENCE`]
//! idle looks it *spins*: an engine lets the other threads go first. It stops spinning when another
//! thread changes a place that it reads. If all threads together look [`spin_limit`] times and
//! nothing changes, nothing ever will: the spin never ends.
//!
//! [`spin_limit`]: super::engine::Engine::spin_limit

use std::fmt::Write as _;

use super::{
    Place, Run,
    engine::ObjectId,
    event::Step,
    failure::{FailureKind, short_place},
    thread::{Status, letter},
};

/// How many looks in a row that see nothing new a thread may take before others go first. A loop
/// sees the same value twice before that.
const PATIENCE: i32 = 1;

/// How many steps in a row one thread may take, although others could run, before others go first.
/// A loop may wait for another thread and still change something each time round.
const QUANTUM: u32 = 200;

/// How many fences in a row, with no step between them, mean that a thread waits for memory that is
/// not an atomic.
const FENCES: u32 = 1_000;
/// How many fences in a row a timeline shows.
const SHOWN: u32 = 4;

/// The object under which reads of the clock are counted as looks.
pub(crate) const CLOCK: ObjectId = ObjectId::MAX;

impl Run {
    /// Counts a step. Returns true if the thread should let others go first.
    pub(super) fn before_step(&self, me: usize, step: Step, at: Place) -> bool {
        let mut state = self.state.borrow_mut();
        if state.stopping {
            drop(state);
            self.engine.stop();
        }
        state.steps += 1;
        if at.file() != state.scenario {
            state.points += 1;
        }
        if state.steps > self.engine.step_limit() {
            state.cut = true;
            state.stopping = true;
            drop(state);
            self.engine.cut();
        }
        state.streak = match state.streak {
            (thread, count) if thread == me => (me, count + 1),
            _ => (me, 1),
        };
        let tired = state.streak.1 > QUANTUM;
        if tired {
            state.streak.1 = 0;
        }
        let thread = &mut state.threads[me];
        thread.fences = 0;
        thread.next = Some(step);
        thread.at = at;
        thread.spinning = tired || thread.idle >= PATIENCE;
        thread.spinning
    }

    /// The current thread saw `value` in `object` and changed nothing.
    pub(crate) fn saw(&self, object: ObjectId, value: u64) {
        let me = self.me();
        let mut state = self.state.borrow_mut();
        let thread = &mut state.threads[me];
        match thread.seen.iter_mut().find(|(seen, _)| *seen == object) {
            Some((_, known)) if *known == value => thread.idle += 1,
            Some((_, known)) => {
                *known = value;
                thread.idle = 0;
                state.fruitless = 0;
                return;
            }
            None => {
                thread.seen.push((object, value));
                return;
            }
        }
        state.fruitless += 1;
        if state.fruitless <= self.engine.spin_limit() {
            return;
        }
        let mut message = String::from(
            "livelock: threads check the same values again and again, and nothing will ever change them",
        );
        for (number, thread) in state.threads.iter().enumerate() {
            if thread.status == Status::Ready {
                let _ = write!(
                    message,
                    "\n  thread {} spins at {}",
                    letter(number),
                    short_place(thread.at)
                );
            }
        }
        message.push_str(&state.who_waits());
        let at = state.threads[me].at;
        drop(state);
        self.fail(FailureKind::Spin, message, Some(at.into()));
    }

    /// The current thread changed `object`. So its own loop made progress, and every thread that
    /// reads the object will see something new.
    pub(crate) fn changed(&self, object: ObjectId) {
        let me = self.me();
        let mut state = self.state.borrow_mut();
        state.fruitless = 0;
        state.clock_reads = 0;
        for (number, thread) in state.threads.iter_mut().enumerate() {
            if number == me {
                thread.idle = thread.idle.min(0);
                thread.seen.clear();
            } else if thread
                .seen
                .iter()
                .any(|(seen, _)| *seen == object || *seen == CLOCK)
            {
                thread.idle = thread.idle.min(0);
                thread.spinning = false;
            }
        }
    }
}

impl Run {
    /// Counts a fence of the current thread, and returns whether the timeline should show it: the
    /// fences of a long loop would fill it. A fence is not a step, so a loop that contains nothing
    /// else never gives another thread a turn: that is a failure.
    pub(crate) fn count_fence(&self, at: Place) -> bool {
        let me = self.me();
        let mut state = self.state.borrow_mut();
        let thread = &mut state.threads[me];
        thread.fences += 1;
        if thread.fences <= FENCES {
            return thread.fences <= SHOWN;
        }
        let message = format!(
            "thread {} repeats a loop that contains only fences, at {}, so there is nothing to schedule. \
             What it waits for is not in an atomic, so no other thread can tell it anything",
            letter(me),
            short_place(at)
        );
        drop(state);
        self.fail(FailureKind::Spin, message, Some(at.into()))
    }
}

impl Run {
    /// The current thread read the clock: it may be waiting for a time.
    pub(crate) fn saw_clock(&self) {
        self.saw(CLOCK, 0);
    }
}
