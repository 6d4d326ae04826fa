//! Which schedules are tried, and in which order.

use super::{
    Budget, Found,
    exhaustive::Search,
    livelock::livelock,
    options::Options,
    random::{PATIENCE, Random},
};
use interleave_model::kernel::{NOBODY, Run, State, event::Step, failure::Failure};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

enum Strategy {
    /// All threads in turn, a step each: if nobody gets anywhere like that, nobody will.
    Fair { last: usize },
    /// See [`Search`].
    Search(Search),
    /// See [`Random`].
    Random(Random),
    /// A given schedule, and how far it has been followed.
    Replay(Vec<u8>, usize),
}

/// The plan, and what it has found so far.
pub(super) struct Campaign {
    strategy: Strategy,
    /// How many more schedules the current strategy may try.
    quota: u64,
    budget: Budget,
    limit: Rc<Cell<u64>>,
    started: Instant,
    pub(super) executing: bool,
    schedule: Vec<u8>,
    last: usize,
    schedules: u64,
    exhaustive: u64,
    complete: bool,
    /// A spinner was passed over: an exhaustive search does not follow a spin that gives up.
    spun: bool,
    finished: u64,
    cut: u64,
    points: u64,
    failure: Option<(Failure, Vec<u8>)>,
    not_judged: Option<String>,
}

impl Campaign {
    pub(super) fn new(budget: &Budget, replay: Option<Vec<u8>>, limit: Rc<Cell<u64>>) -> Self {
        Self {
            strategy: replay.map_or(Strategy::Fair { last: NOBODY }, |schedule| {
                Strategy::Replay(schedule, 0)
            }),
            quota: 1,
            budget: budget.clone(),
            limit,
            started: Instant::now(),
            executing: false,
            schedule: Vec::new(),
            last: NOBODY,
            schedules: 0,
            exhaustive: 0,
            complete: false,
            spun: false,
            finished: 0,
            cut: 0,
            points: 0,
            failure: None,
            not_judged: None,
        }
    }

    pub(super) fn schedule(&self) -> Vec<u8> {
        self.schedule.clone()
    }

    pub(super) fn found(&self, run: Rc<Run>) -> Found {
        let mut not_judged = self.not_judged.clone();
        if self.failure.is_none() && not_judged.is_none() && self.finished == 0 {
            not_judged = Some(format!(
                "every schedule took more than {} steps; none was followed to its end",
                self.limit.get()
            ));
        }
        Found {
            run,
            schedules: if self.complete {
                self.exhaustive
            } else {
                self.schedules
            },
            complete: self.complete,
            points: self.points,
            failure: self.failure.clone(),
            not_judged,
        }
    }

    /// Takes stock of an execution; false if the campaign is over.
    pub(super) fn end_execution(&mut self, run: &Run) -> bool {
        let late = run.end_of_execution();
        let state = run.state.borrow();
        self.points = self.points.max(state.points);
        if let Some(failure) = state.failure.clone().or(late) {
            self.failure = Some((failure, self.schedule.clone()));
            self.schedules += 1;
            return false;
        }
        if let Some(at) = state.too_many_threads {
            self.not_judged = Some(format!(
                "{}:{} starts thread number {}, more than can be explored",
                at.file(),
                at.line(),
                super::MAX_THREADS + 1
            ));
        }
        if self.not_judged.is_some() {
            return false;
        }
        if state.cut {
            self.cut += 1;
            if matches!(self.strategy, Strategy::Fair { .. })
                && let Some(failure) = livelock(&state)
            {
                self.failure = Some((failure, self.schedule.clone()));
                self.schedules += 1;
                return false;
            }
        } else {
            self.finished += 1;
            if self.finished == 1 {
                // No schedule of a program that ends in `n` steps when all take turns needs to be
                // followed for very much longer.
                self.limit
                    .set(self.limit.get().min(1_000 + 20 * state.steps));
            }
        }
        self.next_strategy()
    }

    /// Counts the schedule and says whether there is another.
    fn next_strategy(&mut self) -> bool {
        let redundant =
            matches!(&self.strategy, Strategy::Search(search) if search.was_redundant());
        if !redundant {
            self.schedules += 1;
        }
        self.quota -= 1;
        if self.cut > 20 && self.finished == 0 {
            return false;
        }
        if self.started.elapsed() > self.budget.time {
            return false;
        }
        let budget = self.budget.schedules;
        match &mut self.strategy {
            Strategy::Replay(..) => false,
            Strategy::Fair { .. } => {
                self.strategy = Strategy::Search(Search::bounded(1));
                self.quota = (budget / 5).clamp(1, 100);
                true
            }
            Strategy::Search(search) if search.is_bounded() => {
                if search.advance() && self.quota > 0 {
                    return true;
                }
                self.strategy = Strategy::Search(Search::full());
                self.quota = (budget / 2).max(1);
                true
            }
            Strategy::Search(search) => {
                if !redundant {
                    self.exhaustive += 1;
                }
                if !search.advance() {
                    self.complete = self.cut == 0;
                    self.strategy = Strategy::Random(Random::new());
                    self.quota = (budget / 10).max(1);
                    return self.spun;
                }
                if self.quota == 0 {
                    self.strategy = Strategy::Random(Random::new());
                    self.quota = budget.saturating_sub(self.schedules).max(budget / 4).max(1);
                }
                true
            }
            Strategy::Random(_) => self.quota > 0,
        }
    }

    pub(super) fn begin(&mut self) {
        self.schedule.clear();
        self.last = NOBODY;
        match &mut self.strategy {
            Strategy::Fair { last } => *last = NOBODY,
            Strategy::Search(search) => search.begin(),
            Strategy::Random(random) => random.begin(),
            Strategy::Replay(_, done) => *done = 0,
        }
    }

    pub(super) fn choose(&mut self, state: &mut State) -> Option<usize> {
        let mut options = Options::of(state, self.last);
        self.spun |= !options.spinners.is_empty() && !options.ready.is_empty();
        let thread = match &mut self.strategy {
            Strategy::Replay(schedule, done) => {
                let wanted = schedule.get(*done).map(|letter| usize::from(*letter));
                *done += 1;
                match wanted {
                    Some(thread) if options.allows(thread) => Some(thread),
                    Some(thread) => {
                        self.not_judged = Some(format!(
                            "the schedule does not fit this code: at its step {}, thread {} cannot run",
                            *done,
                            interleave_model::kernel::thread::letter(thread)
                        ));
                        return None;
                    }
                    None => options.default_choice(),
                }
            }
            _ if options.fresh.is_some() => options.fresh,
            _ if options.ready.is_empty() => options.default_choice(),
            Strategy::Fair { last } => {
                let chosen = options.in_turn(*last);
                *last = chosen;
                Some(chosen)
            }
            Strategy::Search(search) => Some(search.choose(&options.ready, options.can_stay)),
            Strategy::Random(random) => {
                for &spinner in &options.spinners {
                    if random.be_patient(spinner) {
                        let thread = &mut state.threads[spinner];
                        thread.idle = -PATIENCE;
                        thread.spinning = false;
                        options
                            .ready
                            .push((spinner, thread.next.unwrap_or(Step::LOCAL)));
                    }
                }
                Some(random.choose(&options.ready))
            }
        }?;
        self.last = thread;
        self.schedule.push(u8::try_from(thread).unwrap_or(u8::MAX));
        Some(thread)
    }
}
