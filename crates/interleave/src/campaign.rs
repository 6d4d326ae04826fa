//! One execution after another.
//!
//! A campaign first lets all threads take turns, a step each: if the program makes no progress like
//! this, it never will. Then the search visits each execution once. A failure does not end it at
//! once: a simpler execution may fail, too.
//!
//! An execution that is given up while one of its threads unwinds leaves its operating-system thread
//! "panicking" for good, because Rust counts panics for each thread. So a campaign runs on threads of
//! its own, and goes on with a new one after that.

use std::rc::Rc;
use std::time::{Duration, Instant};

use interleave_model::kernel::running::{Ended, Guide, Scenario, Unguided};
use interleave_model::kernel::{self, Habits, Run, State, outside, panics};
use interleave_search::{Graph, Search, Step};
use records::schedule;

use crate::exploration::{Exploration, Failure, Limit, kind, place};
use crate::fair::{self, InTurn};
use crate::timeline::timeline;

/// How long to explore.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// How many executions at most.
    pub(crate) executions: u64,
    /// How many steps one execution may take.
    pub(crate) steps: u64,
    /// How often each thread may fail, and how often it may wake up, for no reason.
    pub(crate) spurious: u32,
    /// When to stop in any case: a safety net that no verdict should need.
    pub(crate) time: Duration,
}

/// After a failure, so many more executions are tried to find a simpler one that fails.
const SIMPLER: u64 = 300;

/// What an execution of the budget may cost on average: the square of the number of its steps.
/// (A long run costs more than a short one. Unlike a time, this is the same on every machine.)
const EFFORT_FOR_ONE: u64 = 10_000;

/// What all together may cost in any case.
const EFFORT: u64 = 100_000_000;

/// What to explore.
#[derive(Clone)]
pub(crate) struct Campaign {
    pub(crate) scenario: Scenario,
    pub(crate) file: &'static str,
    pub(crate) may_outlive: bool,
    /// Only the scenario with this name, if there is a name.
    pub(crate) wanted: Option<String>,
    pub(crate) budget: Budget,
}

/// How many executions begin with some steps.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) executions: u64,
    pub(crate) failing: u64,
    pub(crate) complete: bool,
}

/// A campaign that goes on, perhaps on another thread.
struct Ongoing {
    search: Search,
    habits: Habits,
    found: Exploration,
    /// How odd the execution is that fails.
    oddity: usize,
    /// When the first failure was found, in runs.
    failed_after: u64,
    /// What the runs have cost so far, about: the square of the length of each.
    effort: u64,
    started: Instant,
}

/// What comes after a part of a campaign.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The same again, on a new thread.
    Again,
    /// The next part.
    Next,
    /// Nothing: the verdict is clear.
    Over,
}

impl Campaign {
    /// Runs `body` on a thread of its own, under watch.
    fn aside<R: Send>(body: impl FnOnce() -> R + Send) -> R {
        let ended = std::thread::scope(|scope| scope.spawn(|| outside::watched(body)).join());
        match ended {
            Ok(result) => result,
            Err(payload) => std::panic::resume_unwind(payload),
        }
    }

    fn run(&self, search: Search, habits: Habits) -> Rc<Run> {
        panics::install_hook();
        let run = Run::new(search, self.file, self.may_outlive);
        *run.habits.borrow_mut() = habits;
        let mut state = run.state.borrow_mut();
        state.wanted.clone_from(&self.wanted);
        state.most_steps = self.budget.steps;
        state.most_spurious = self.budget.spurious;
        drop(state);
        run
    }

    /// Visits the executions, up to the budget.
    pub(crate) fn explore(&self) -> Exploration {
        let mut ongoing = Ongoing {
            search: Search::new(),
            habits: Habits::default(),
            found: Exploration {
                spurious: self.budget.spurious,
                ..Exploration::default()
            },
            oddity: usize::MAX,
            failed_after: 0,
            effort: 0,
            started: Instant::now(),
        };
        let mut is_fair = false;
        while Self::aside(|| {
            if !is_fair {
                match self.run_fairly(&mut ongoing) {
                    Then::Next => is_fair = true,
                    then => return then,
                }
                if std::thread::panicking() {
                    return Then::Again;
                }
            }
            self.visit(&mut ongoing)
        }) != Then::Over
        {}
        ongoing.found
    }

    /// Lets all threads take turns.
    fn run_fairly(&self, ongoing: &mut Ongoing) -> Then {
        let run = self.run(Search::by_hand(), std::mem::take(&mut ongoing.habits));
        run.follows.set(true);
        run.state.borrow_mut().most_steps = 2 * fair::MOST_STEPS;
        run.search.borrow_mut().begin();
        let guide = &mut InTurn::new(fair::MOST_STEPS);
        let ended = kernel::with_run(&run, || run.execute(&self.scenario, guide));
        ongoing.habits = std::mem::take(&mut *run.habits.borrow_mut());
        let found = &mut ongoing.found;
        let state = run.state.borrow();
        found.scheduling_points = found.scheduling_points.max(state.points);
        match ended {
            Ended::Again => Then::Again,
            Ended::Other => {
                found.is_other = true;
                found.not_judged = Some(of_another(&state));
                Then::Over
            }
            Ended::NotJudged(reason) => {
                found.not_judged = Some(reason);
                Then::Over
            }
            Ended::Standing | Ended::Cut => match fair::livelock(&state) {
                Some(failure) => {
                    let steps = run.search.borrow().steps().to_vec();
                    found.failure = Some(told(failure, &state, &steps));
                    found.executions = 1;
                    found.runs = 1;
                    Then::Over
                }
                None => Then::Next,
            },
            // What fails here is found again, in a simpler execution.
            Ended::Held | Ended::Failed | Ended::Repeated => Then::Next,
        }
    }

    /// Visits one execution after another.
    fn visit(&self, ongoing: &mut Ongoing) -> Then {
        let search = std::mem::take(&mut ongoing.search);
        let run = self.run(search, std::mem::take(&mut ongoing.habits));
        let then = kernel::with_run(&run, || {
            loop {
                let limit = self.limit(&run.search.borrow(), ongoing);
                let is_enough = limit.is_some() || self.is_simple(&run.search.borrow(), ongoing);
                if is_enough || !run.search.borrow_mut().begin() {
                    ongoing.found.limit = limit;
                    self.conclude(&run.search.borrow(), ongoing);
                    return Then::Over;
                }
                let ended = self.execute(&run);
                let then = self.note(&run, ongoing, ended);
                if then != Then::Next {
                    return then;
                }
            }
        });
        ongoing.habits = std::mem::take(&mut *run.habits.borrow_mut());
        ongoing.search = run.search.take();
        then
    }

    /// Whether a failure was found, and nothing simpler is to be expected.
    fn is_simple(&self, search: &Search, ongoing: &Ongoing) -> bool {
        let least = search.least_oddity();
        let none_is_simpler = least.is_none_or(|least| least >= ongoing.oddity);
        ongoing.found.failure.is_some()
            && (none_is_simpler || search.runs() > ongoing.failed_after + SIMPLER)
    }

    /// What ends the search, if anything does before all executions were visited.
    fn limit(&self, search: &Search, ongoing: &Ongoing) -> Option<Limit> {
        let found = &ongoing.found;
        if found.failure.is_some() || search.least_oddity().is_none() {
            return None;
        }
        let most = self.budget.executions;
        if found.executions >= most || search.runs() >= most.saturating_mul(4).saturating_add(100) {
            return Some(Limit::Executions);
        }
        if ongoing.effort >= most.saturating_mul(EFFORT_FOR_ONE).max(EFFORT) {
            return Some(Limit::Effort);
        }
        (ongoing.started.elapsed() >= self.budget.time).then_some(Limit::Time)
    }

    /// Runs the execution that the search has begun, again and again while something is learned.
    fn execute(&self, run: &Rc<Run>) -> Ended {
        /// No program has so many loops.
        const MOST: usize = 1_000;
        for _ in 0..MOST {
            let ended = run.execute(&self.scenario, &mut Unguided);
            if ended != Ended::Again || std::thread::panicking() {
                return ended;
            }
            run.search.borrow_mut().begin_again();
        }
        Ended::NotJudged(format!(
            "the code has more than {MOST} loops that look again and again, or the explorer does not understand one of them"
        ))
    }

    fn note(&self, run: &Rc<Run>, ongoing: &mut Ongoing, ended: Ended) -> Then {
        let found = &mut ongoing.found;
        let state = run.state.borrow();
        found.scheduling_points = found.scheduling_points.max(state.points);
        found.bounded |= state.bounded;
        ongoing.effort += state.steps * state.steps;
        match ended {
            Ended::Held => found.executions += 1,
            Ended::Cut => found.cut += 1,
            Ended::Failed => {
                found.executions += 1;
                let search = run.search.borrow();
                let oddity = search.oddity();
                if oddity < ongoing.oddity
                    && let Some(failure) = state.failure.clone()
                {
                    if found.failure.is_none() {
                        ongoing.failed_after = search.runs();
                    }
                    ongoing.oddity = oddity;
                    found.failure = Some(told(failure, &state, search.steps()));
                }
            }
            Ended::NotJudged(reason) if found.failure.is_none() => {
                found.not_judged = Some(reason);
                return Then::Over;
            }
            Ended::Other => {
                found.is_other = true;
                found.not_judged = Some(of_another(&state));
                return Then::Over;
            }
            Ended::Again => run.search.borrow_mut().put_back(),
            Ended::Repeated | Ended::Standing | Ended::NotJudged(_) => {}
        }
        match std::thread::panicking() {
            true => Then::Again,
            false => Then::Next,
        }
    }

    fn conclude(&self, search: &Search, ongoing: &mut Ongoing) {
        let found = &mut ongoing.found;
        found.runs = search.runs();
        if search.given_up() > 0 {
            found.limit = found.limit.or(Some(Limit::Memory));
        }
        found.complete = found.limit.is_none() && found.failure.is_none() && found.cut == 0;
        if found.failure.is_none() && found.executions == 0 && found.not_judged.is_none() {
            found.not_judged = Some(match found.cut {
                0 if found.limit == Some(Limit::Time) => {
                    "the time was up before an execution came to its end".to_owned()
                }
                0 => "no execution came to an end: the explorer could not follow this code"
                    .to_owned(),
                _ => format!(
                    "every execution took more than {} steps, so the explorer followed none of them to its end",
                    self.budget.steps
                ),
            });
        }
    }

    /// Runs the execution that a schedule describes.
    pub(crate) fn replay(&self, steps: &[Step]) -> Exploration {
        self.by_hand(steps, fair::Judged, |run, ended| {
            let state = run.state.borrow();
            let mut found = Exploration {
                executions: 1,
                runs: 1,
                scheduling_points: state.points,
                ..Exploration::default()
            };
            match ended {
                Ended::Other => {
                    found.is_other = true;
                    found.not_judged = Some(of_another(&state));
                    return found;
                }
                Ended::NotJudged(reason) => found.not_judged = Some(reason.clone()),
                Ended::Cut => {
                    found.not_judged = Some(format!(
                        "this execution took more than {} steps, so the explorer did not follow it to its end",
                        self.budget.steps
                    ));
                }
                Ended::Failed => {
                    let failure = state.failure.clone();
                    let steps = run.search.borrow().steps().to_vec();
                    found.failure = failure.map(|failure| told(failure, &state, &steps));
                }
                Ended::Standing => {
                    let steps = run.search.borrow().steps().to_vec();
                    let failure = fair::livelock(&state);
                    found.failure = failure.map(|failure| told(failure, &state, &steps));
                }
                _ => {}
            }
            found.replayed = Some(timeline(&state, found.failure.is_some()));
            found
        })
    }

    /// Runs an execution, or its beginning, by hand, and looks at where it stands.
    pub(crate) fn by_hand<R: Send>(
        &self,
        steps: &[Step],
        guide: impl Guide + Clone + Sync,
        look: impl Fn(&Run, &Ended) -> R + Sync,
    ) -> R {
        let mut habits = Habits::default();
        loop {
            let looked = Self::aside(|| {
                let run = self.run(Search::along(steps), std::mem::take(&mut habits));
                run.follows.set(true);
                run.search.borrow_mut().begin();
                let guide = &mut guide.clone();
                let ended = kernel::with_run(&run, || run.execute(&self.scenario, guide));
                habits = std::mem::take(&mut *run.habits.borrow_mut());
                (ended != Ended::Again).then(|| look(&run, &ended))
            });
            if let Some(looked) = looked {
                return looked;
            }
        }
    }

    /// Counts the executions that begin with a part of one, and those of them that fail.
    pub(crate) fn count(&self, first: &Graph) -> Counted {
        let mut counted = Counted::default();
        let mut ongoing = Some((Search::new(), Habits::default()));
        while let Some((search, habits)) = ongoing {
            ongoing = Self::aside(|| {
                let run = self.run(search, habits);
                let goes_on = kernel::with_run(&run, || self.count_on(&run, first, &mut counted));
                goes_on.then(|| {
                    (
                        run.search.take(),
                        std::mem::take(&mut *run.habits.borrow_mut()),
                    )
                })
            });
        }
        counted
    }

    /// True if counting must go on on another thread.
    fn count_on(&self, run: &Rc<Run>, first: &Graph, counted: &mut Counted) -> bool {
        let most = self.budget.executions;
        while counted.executions < most && run.search.borrow().runs() < 4 * most {
            if !run.search.borrow_mut().begin() {
                counted.complete = run.search.borrow().given_up() == 0;
                return false;
            }
            let ended = self.execute(run);
            let begins_with = run.search.borrow().graph().begins_with(first);
            let is_one = matches!(ended, Ended::Held | Ended::Failed) && begins_with;
            counted.executions += u64::from(is_one);
            counted.failing += u64::from(is_one && ended == Ended::Failed);
            if std::thread::panicking() {
                if ended == Ended::Again {
                    run.search.borrow_mut().put_back();
                }
                return true;
            }
        }
        false
    }
}

pub(crate) fn of_another(state: &State) -> String {
    let wanted = state.wanted.as_deref().unwrap_or_default();
    match state.named {
        Some(name) => format!("the schedule belongs to the scenario {wanted}, and this is {name}"),
        None => format!("the schedule belongs to the scenario {wanted}, and this one has no name"),
    }
}

fn told(failure: kernel::failure::Failure, state: &State, steps: &[Step]) -> Failure {
    Failure {
        kind: kind(failure.kind),
        message: failure.message,
        at: failure.at.map(place),
        schedule: schedule::named(state.named, &interleave_search::schedule::write(steps)),
        timeline: timeline(state, true),
    }
}
