//! Which schedules are tried, and in which order.

use super::{
    Budget, Found,
    exhaustive::{Choice, Search},
    random::{PATIENCE, Random},
};
use interleave_model::kernel::{
    NOBODY, Run, State,
    event::Step,
    failure::{Failure, FailureKind},
    thread::Status,
};
use shuttle_engine::scheduler::{Schedule, Task, TaskId};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

/// Unwinds shuttle's own frames out of an execution in which a thread is unwinding.
struct Stop;

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
    executing: bool,
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
    fn end_execution(&mut self, run: &Run) -> bool {
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

    fn begin(&mut self) {
        self.schedule.clear();
        self.last = NOBODY;
        match &mut self.strategy {
            Strategy::Fair { last } => *last = NOBODY,
            Strategy::Search(search) => search.begin(),
            Strategy::Random(random) => random.begin(),
            Strategy::Replay(_, done) => *done = 0,
        }
    }

    fn choose(&mut self, state: &mut State) -> Option<usize> {
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

/// Who can be scheduled.
struct Options {
    /// A thread that has not begun: what it does before its first step is nobody's business, so it
    /// runs at once.
    fresh: Option<usize>,
    /// Who can run, the running thread first, those whose time could be up last.
    ready: Vec<Choice>,
    /// How many of them need no time-out.
    without_timeout: usize,
    /// Who would only look again at what has not changed.
    spinners: Vec<usize>,
    /// Whether the running thread is among the ready.
    can_stay: bool,
}

impl Options {
    fn of(state: &State, last: usize) -> Self {
        let mut options = Self {
            fresh: None,
            ready: Vec::new(),
            without_timeout: 0,
            spinners: Vec::new(),
            can_stay: false,
        };
        let mut timed = Vec::new();
        for (number, thread) in state.threads.iter().enumerate() {
            let choice = (number, thread.next.unwrap_or(Step::LOCAL));
            match thread.status {
                Status::Ready if thread.next.is_none() => {
                    options.fresh = options.fresh.or(Some(number));
                }
                Status::Ready if thread.spinning => options.spinners.push(number),
                Status::Ready if number == last => {
                    options.ready.insert(0, choice);
                    options.can_stay = true;
                }
                Status::Ready => options.ready.push(choice),
                Status::Timed(_, deadline) => timed.push((deadline, choice)),
                Status::Blocked(_) | Status::Finished => {}
            }
        }
        options.without_timeout = options.ready.len();
        timed.sort_by_key(|(deadline, (number, _))| (*deadline, *number));
        options
            .ready
            .extend(timed.into_iter().map(|(_, choice)| choice));
        // Spinners take turns when nobody else is left.
        options.spinners.sort_by_key(|number| {
            (*number + state.threads.len() - last.min(state.threads.len()) - 1)
                % state.threads.len().max(1)
        });
        options
    }

    fn allows(&self, thread: usize) -> bool {
        self.fresh == Some(thread)
            || self.spinners.contains(&thread)
            || self.ready.iter().any(|(ready, _)| *ready == thread)
    }

    fn default_choice(&self) -> Option<usize> {
        self.fresh
            .or(self.ready.first().map(|(thread, _)| *thread))
            .or(self.spinners.first().copied())
    }

    /// The next after `last` that can run; a time-out only if nobody can.
    fn in_turn(&self, last: usize) -> usize {
        if self.without_timeout == 0 {
            return self.ready[0].0;
        }
        let ready = self.ready[..self.without_timeout]
            .iter()
            .map(|(thread, _)| *thread);
        ready
            .clone()
            .filter(|thread| last == NOBODY || *thread > last)
            .min()
            .or(ready.min())
            .unwrap_or(0)
    }
}

/// A fair schedule that ran into the step limit: a livelock if it goes round in a circle.
fn livelock(state: &State) -> Option<Failure> {
    let log = &state.log;
    let tail = &log[log.len() - log.len() / 2..];
    let same = |one: usize, other: usize| {
        let (a, b) = (&tail[one], &tail[other]);
        a.thread == b.thread
            && std::ptr::eq(a.at, b.at)
            && a.returned == b.returned
            && a.arguments == b.arguments
    };
    let period = (1..tail.len().min(400) / 2)
        .find(|period| (*period..tail.len()).all(|i| same(i, i - period)))?;
    let circle = &tail[tail.len() - period..];
    let mut message = String::from(
        "livelock: with all threads taking turns, they go round in a circle and never end",
    );
    let mut threads: Vec<_> = circle.iter().map(|event| event.thread).collect();
    threads.sort_unstable();
    threads.dedup();
    for thread in threads {
        let mut places: Vec<_> = circle
            .iter()
            .filter(|event| event.thread == thread)
            .map(|event| interleave_model::kernel::failure::short_place(event.at))
            .collect();
        places.dedup();
        places.truncate(6);
        message.push_str(&format!(
            "\n  thread {} goes round {}",
            interleave_model::kernel::thread::letter(thread),
            places.join(", ")
        ));
    }
    message.push_str(&state.who_waits());
    Some(Failure {
        kind: FailureKind::Spin,
        message,
        at: circle.first().map(|event| event.at.into()),
    })
}

/// Shuttle's scheduler: asks the campaign.
pub(super) struct Scheduler {
    run: Rc<Run>,
    campaign: Rc<RefCell<Campaign>>,
}

impl Scheduler {
    pub(super) fn new(run: Rc<Run>, campaign: Rc<RefCell<Campaign>>) -> Self {
        Self { run, campaign }
    }
}

impl shuttle_engine::scheduler::Scheduler for Scheduler {
    fn new_execution(&mut self) -> Option<Schedule> {
        let mut campaign = self.campaign.borrow_mut();
        if campaign.executing {
            campaign.executing = false;
            self.run.current.set(NOBODY);
            if !campaign.end_execution(&self.run) {
                return None;
            }
        }
        campaign.executing = true;
        campaign.begin();
        self.run.begin();
        Some(Schedule::new(0))
    }

    fn next_task(&mut self, _: &[&Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        let mut state = self.run.state.borrow_mut();
        if state.threads.is_empty() {
            return Some(TaskId::from(0));
        }
        let chosen = if state.stopping {
            None
        } else {
            self.campaign.borrow_mut().choose(&mut state)
        };
        if chosen.is_none() {
            state.stopping = true;
            if std::thread::panicking() {
                // Shuttle would let the unwinding thread run on; as a failure of the execution, it
                // abandons all threads.
                drop(state);
                std::panic::resume_unwind(Box::new(Stop));
            }
        }
        chosen.map(TaskId::from)
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}

/// Runs one execution of one thread: to let shuttle set itself up.
pub(super) struct Once {
    done: bool,
}

impl Once {
    pub(super) fn new() -> Self {
        Self { done: false }
    }
}

impl shuttle_engine::scheduler::Scheduler for Once {
    fn new_execution(&mut self) -> Option<Schedule> {
        let first = !std::mem::replace(&mut self.done, true);
        first.then(|| Schedule::new(0))
    }

    fn next_task(&mut self, tasks: &[&Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        tasks.first().map(|task| task.id())
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}
