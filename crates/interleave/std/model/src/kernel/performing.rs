//! What a thread does: it announces an operation, others may run, and it learns what came of it.

use std::sync::atomic::Ordering;

use interleave_search::{Change, Guard, Op, Outcome};

use super::event::{Event, Returned};
use super::thread::Wait;
use super::{Place, Run};

/// What a thread does if an operation has to wait.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    /// What it waits for.
    pub(crate) wait: Wait,
    /// Whether a time limit could end the wait.
    pub(crate) is_timed: bool,
    /// What the log says then, if it says anything.
    pub(crate) event: Option<Event>,
}

/// How a wait ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Woken {
    ByAnother,
    ForNoReason,
    /// The time was up.
    InVain,
}

impl Woken {
    /// What the log says; `by_another` if another thread ended the wait.
    pub(crate) fn word(self, by_another: &'static str) -> &'static str {
        match self {
            Woken::ByAnother => by_another,
            Woken::ForNoReason => "wakes up for no reason",
            Woken::InVain => "timed out",
        }
    }
}

impl Run {
    /// Performs an operation of the current thread. Other threads may run before it.
    pub(crate) fn perform(&self, op: Op, at: Place) -> Outcome {
        self.announce(op, None, at)
    }

    /// Performs an operation that waits for `wait` if its guard says so.
    pub(crate) fn wait(&self, op: Op, wait: Wait, event: Event, at: Place) -> Outcome {
        let waiting = Waiting {
            wait,
            is_timed: false,
            event: Some(event),
        };
        self.announce(op, Some(waiting), at)
    }

    /// One of two ways, which the search chooses. True is the one that needs a reason.
    pub(crate) fn coin(&self, ways: [&'static str; 2], at: Place) -> bool {
        let word = self.search.borrow_mut().object(0b11, 2);
        let me = self.me();
        self.state.borrow_mut().threads[me].ways = ways;
        let outcome = self.announce(
            Op::update(word, Change::TakeBit, Ordering::Relaxed),
            None,
            at,
        );
        self.state.borrow_mut().threads[me].ways = ["", ""];
        outcome.choice == 1
    }

    /// Whether a time limit ends the wait that begins now. The clock of the thread is then set to
    /// `end`. Without any news from the others, a thread waits in vain twice and no more.
    pub(crate) fn times_out(&self, end: Option<u64>, at: Place) -> bool {
        /// How many time limits in a row may end the waits of a thread.
        const MOST: u32 = 2;
        let Some(end) = end else { return false };
        let me = self.me();
        if self.state.borrow().threads[me].timeouts >= MOST {
            return false;
        }
        let is_over = self.coin(["it waits", "its time is up"], at);
        if is_over {
            let thread = &mut self.state.borrow_mut().threads[me];
            thread.timeouts += 1;
            thread.clock = thread.clock.max(end);
        }
        is_over
    }

    /// Waits until `guard` lets `op` go on, until the time is up, or until the wait ends for no reason.
    /// If the time is up, `op` finds out whether another thread came just before.
    pub(crate) fn timed_wait(
        &self,
        op: Op,
        guard: Guard,
        waiting: Waiting,
        end: Option<u64>,
        at: Place,
    ) -> Woken {
        let woken = if self.times_out(end, at) {
            match guard.lets(self.perform(op, at).read) {
                true => Woken::ByAnother,
                false => Woken::InVain,
            }
        } else {
            let op = op.when(guard).spuriously(self.may_wake_spuriously());
            let outcome = self.announce(op, Some(waiting), at);
            match self.has_woken_spuriously(outcome) {
                true => Woken::ForNoReason,
                false => Woken::ByAnother,
            }
        };
        self.acted();
        woken
    }

    /// Whether a wait of the current thread may end for no reason. It does so only a few times.
    fn may_wake_spuriously(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let me = self.me();
        let may = state.threads[me].spurious_wakes < state.most_spurious;
        state.bounded |= !may;
        may
    }

    /// Notes whether a wait has ended for no reason. Returns that.
    fn has_woken_spuriously(&self, outcome: Outcome) -> bool {
        let is_spurious = outcome.choice == 1;
        let me = self.me();
        self.state.borrow_mut().threads[me].spurious_wakes += u32::from(is_spurious);
        is_spurious
    }

    pub(crate) fn announce(&self, op: Op, waiting: Option<Waiting>, at: Place) -> Outcome {
        self.loop_is_over();
        let me = self.me();
        let is_fence = matches!(op, Op::Fence { .. });
        {
            let mut state = self.state.borrow_mut();
            if state.stopping {
                drop(state);
                self.stop();
            }
            state.steps += 1;
            if at.file() != state.scenario {
                state.points += 1;
            }
            if state.steps > state.most_steps {
                state.cut = true;
                drop(state);
                self.stop();
            }
            let thread = &mut state.threads[me];
            if !is_fence {
                thread.fences = 0;
            }
            thread.clock_reads = 0;
            thread.next = Some(op);
            thread.wait = waiting.map(|waiting| waiting.wait);
            thread.is_timed = waiting.is_some_and(|waiting| waiting.is_timed);
            thread.at = at;
        }
        if let Some(event) = waiting.and_then(|waiting| waiting.event) {
            match self.search.borrow().must_wait(op) {
                true => self.log(event),
                false => self.state.borrow_mut().threads[me].waits = Some(event),
            }
        }
        let Some(outcome) = self.suspend() else {
            // Only a thread that begins is resumed without an outcome.
            self.stop()
        };
        self.note_outcome(op, outcome, at);
        outcome
    }

    /// What the thread knows after an operation.
    fn note_outcome(&self, op: Op, outcome: Outcome, at: Place) {
        let me = self.me();
        let graph_thread = self.search.borrow().in_graph(me);
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        let told = outcome.from.and_then(|store| state.stores.get(&store));
        let told = told.map(|(_, clock)| *clock);
        let thread = &mut state.threads[me];
        thread.next = None;
        thread.waits = None;
        thread.wait = None;
        thread.is_timed = false;
        thread.looks.goes_on();
        if let (Some(word), true) = (op.location(), op.reads()) {
            let before = thread.seen.insert(word, outcome.from);
            let is_foreign = outcome
                .from
                .is_some_and(|store| store.thread != graph_thread);
            let is_news = is_foreign && before != Some(outcome.from);
            thread.looks.note_news(is_news);
            if is_news {
                thread.timeouts = 0;
            }
        }
        thread.clock = thread.clock.max(told.unwrap_or(0));
        let clock = thread.clock;
        if outcome.written.is_some() {
            state.stores.insert(outcome.id, (at, clock));
        }
    }

    /// For a load that read an old value: where the newest value was stored. Nothing orders the load
    /// after that store.
    pub(crate) fn newer_than(&self, word: usize, outcome: Outcome) -> Option<Place> {
        let newest = self.search.borrow().newest_performed(word)?;
        if Some(newest) == outcome.from || newest == outcome.id {
            return None;
        }
        let state = self.state.borrow();
        state.stores.get(&newest).map(|(at, _)| *at)
    }

    /// Adds an event of the current thread to the log: `verb` on `object`, which `returned` this.
    pub(crate) fn tell(
        &self,
        object: super::object::ObjectId,
        verb: &'static str,
        word: &'static str,
        at: Place,
    ) {
        self.log(self.event(object, verb, word, at));
    }

    /// Such an event.
    pub(crate) fn event(
        &self,
        object: super::object::ObjectId,
        verb: &'static str,
        word: &'static str,
        at: Place,
    ) -> Event {
        let mut event = Event::new(self.me(), verb, at);
        event.object = Some(object);
        event.returned = match word {
            "" => Returned::Nothing,
            word => Returned::Word(word),
        };
        event
    }
}

impl Run {
    /// The value of an atomic that the current thread is sure to see.
    pub(crate) fn settled(&self, id: super::object::ObjectId) -> u64 {
        let word = self.word(id);
        self.search.borrow().settled(self.me(), word)
    }
}
