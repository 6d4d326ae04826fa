//! Which schedules are tried, and in which order.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use interleave_model::kernel::{NOBODY, Run, State, event::Step, failure::Failure, thread::letter};

use super::{
    Budget, Counted, Found, Then,
    exhaustive::Search,
    livelock::livelock,
    options::Options,
    random::{PATIENCE, Random},
};

enum Strategy {
    /// All threads in turn, one step each. If they make no progress like this, they never will.
    Fair { last: usize },
    /// See [`Search`].
    Search(Search),
    /// See [`Random`].
    Random(Random),
    /// Without a plan: the running thread goes on if it can.
    Default,
    /// Stops here.
    Stand { run_on: bool },
}

/// The plan, and what it has found so far.
pub(super) struct Campaign {
    /// What every schedule begins with.
    prefix: Vec<u8>,
    then: Then,
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
    /// Whether the campaign passed over a thread that spins: an exhaustive search does not follow a
    /// spin that gives up.
    spun: bool,
    finished: u64,
    cut: u64,
    points: u64,
    failure: Option<(Failure, Vec<u8>)>,
    not_judged: Option<String>,
    is_other: bool,
    decided: usize,
    standing: Option<Vec<usize>>,
    count: Count,
}

/// What [`Then::Count`] has seen.
#[derive(Default)]
struct Count {
    counted: Counted,
    /// Steps of all executions.
    steps: u64,
    /// Threads that were given up before their end: their stacks are never unmapped.
    given_up: usize,
}

/// Where counting ends. This many steps take a fraction of a second, and the address space of a
/// subject has room for this many stacks.
const MOST_COUNTED_STEPS: u64 = 300_000;
const MOST_GIVEN_UP: usize = 800;

impl Campaign {
    pub(super) fn new(budget: &Budget, prefix: Vec<u8>, then: Then, limit: Rc<Cell<u64>>) -> Self {
        Self {
            prefix,
            then,
            strategy: match then {
                Then::Explore => Strategy::Fair { last: NOBODY },
                Then::Finish => Strategy::Default,
                Then::Stand { run_on } => Strategy::Stand { run_on },
                Then::Count => Strategy::Search(Search::full()),
            },
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
            is_other: false,
            decided: 0,
            standing: None,
            count: Count::default(),
        }
    }

    pub(super) fn schedule(&self) -> Vec<u8> {
        self.schedule.clone()
    }

    pub(super) fn found(&self, run: Rc<Run>) -> Found {
        let mut not_judged = self.not_judged.clone();
        let wants_an_end = matches!(self.then, Then::Explore | Then::Finish);
        if wants_an_end && self.failure.is_none() && not_judged.is_none() && self.finished == 0 {
            not_judged = Some(format!(
                "every schedule took more than {} steps, so the explorer followed none of them to its end",
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
            is_other: self.is_other,
            schedule: self.schedule.clone(),
            decided: self.decided,
            standing: self.standing.clone(),
            counted: self.count.counted,
        }
    }

    /// Evaluates an execution. Returns false if the campaign is over.
    pub(super) fn end_execution(&mut self, run: &Run) -> bool {
        let late = run.end_of_execution();
        let state = run.state.borrow();
        if state.is_other() {
            self.is_other = true;
            self.not_judged = Some(of_another(&state));
            return false;
        }
        if self.then == Then::Count {
            return self.count(&state, late.is_some());
        }
        self.points = self.points.max(state.points);
        if let Some(failure) = state.failure.clone().or(late) {
            self.failure = Some((failure, self.schedule.clone()));
            self.schedules += 1;
            return false;
        }
        if let Some(at) = state.too_many_threads {
            self.not_judged = Some(format!(
                "{}:{} starts thread number {}, which is one more than the explorer supports",
                at.file(),
                at.line(),
                super::MAX_THREADS + 1
            ));
        }
        if let Some(why) = &state.gave_up {
            self.not_judged = Some(why.clone());
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
                // If a program ends in `n` steps when all threads take turns, no schedule of it
                // needs to be followed for very much longer.
                self.limit
                    .set(self.limit.get().min(1_000 + 20 * state.steps));
            }
        }
        self.next_strategy()
    }

    /// Counts the schedule, whatever its result is. Returns false if it was the last, or if enough
    /// are counted.
    fn count(&mut self, state: &State, failed_late: bool) -> bool {
        let Strategy::Search(search) = &mut self.strategy else {
            return false;
        };
        let count = &mut self.count;
        let failed = failed_late || state.failure.is_some();
        let is_open =
            state.too_many_threads.is_some() || state.gave_up.is_some() || (state.cut && !failed);
        if !search.was_redundant() && !is_open {
            count.counted.schedules += 1;
            count.counted.failing += u64::from(failed);
        }
        if !state.cut && state.failure.is_none() {
            self.finished += 1;
        }
        self.cut += u64::from(is_open);
        count.steps += state.steps;
        count.given_up += state.unfinished();
        if !search.advance() {
            count.counted.complete = self.cut == 0;
            return false;
        }
        count.counted.schedules < self.budget.schedules
            && count.steps < MOST_COUNTED_STEPS
            && count.given_up < MOST_GIVEN_UP
    }

    /// Counts the schedule and returns whether there is another.
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
            Strategy::Default | Strategy::Stand { .. } => false,
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
            Strategy::Default | Strategy::Stand { .. } => {}
        }
        self.decided = 0;
    }

    pub(super) fn choose(&mut self, state: &mut State) -> Option<usize> {
        if state.is_other() {
            return None;
        }
        let mut options = Options::of(state, self.last);
        self.spun |= !options.spinners.is_empty() && !options.ready.is_empty();
        let thread = match self.prefix.get(self.schedule.len()) {
            Some(&wanted) => self.follow(wanted.into(), &options)?,
            None => self.decide(state, &mut options)?,
        };
        self.last = thread;
        self.schedule.push(u8::try_from(thread).unwrap_or(u8::MAX));
        let is_watched = matches!(self.then, Then::Stand { .. });
        if is_watched && options.default_choice() != Some(thread) {
            self.decided = self.schedule.len();
        }
        Some(thread)
    }

    /// Follows the prefix: the wanted thread, if it can run.
    fn follow(&mut self, thread: usize, options: &Options) -> Option<usize> {
        if options.allows(thread) {
            return Some(thread);
        }
        self.not_judged = Some(format!(
            "the schedule does not fit this code: at its step {}, thread {} cannot run; the code has probably changed since the schedule was found",
            self.schedule.len() + 1,
            letter(thread)
        ));
        None
    }

    fn decide(&mut self, state: &mut State, options: &mut Options) -> Option<usize> {
        match &mut self.strategy {
            Strategy::Default => options.default_choice(),
            _ if options.fresh.is_some() => options.fresh,
            Strategy::Stand { run_on } => {
                if *run_on && options.ready.len() <= 1 {
                    return options.default_choice();
                }
                self.standing = Some(options.all());
                None
            }
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
        }
    }
}

fn of_another(state: &State) -> String {
    let wanted = state.wanted.as_deref().unwrap_or_default();
    match state.named {
        Some(name) => format!("the schedule belongs to the scenario {wanted}, and this is {name}"),
        None => format!("the schedule belongs to the scenario {wanted}, and this one has no name"),
    }
}
