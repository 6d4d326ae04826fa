//! Exploring: budgets, replays, and one interface to the two worlds.

use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use interleave_loomed::explorer as loomed;
use interleave_model::kernel::{Run, failure};
use interleave_shuttled::explorer::{self as shuttled, Plan, Then};
use records::schedule;

use crate::exploration::{Exploration, Failure, World, kind, place};
use crate::position::{self, POSITION, Position, Request};
use crate::timeline::timeline;

/// The environment variable that holds a schedule to replay, such as `a3b2a`, or
/// `two_threads_add:a3b2a` for only the scenario of that name.
pub const REPLAY: &str = "INTERLEAVE_REPLAY";

/// Only one exploration at a time may use the statics of the code under test.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// If an execution is given up while one of its threads unwinds, the operating-system thread
/// remains "panicking" for good. The next execution would then get wrong answers about its own
/// panics.
const UNWINDING: &str = "an earlier exploration on this thread was stopped in the middle of a panic; explore in a new process";

/// How far to explore. The defaults suit a scenario of two or three threads with a few operations
/// each.
///
/// ```no_run
/// # fn scenario() {}
/// let found = interleave::Explore::new().schedules(5_000).schedules_of(scenario);
/// ```
#[derive(Clone, Debug)]
pub struct Explore {
    schedules: u64,
    executions: u64,
    steps: u64,
    time: Duration,
    interruptions: Option<usize>,
    file: Option<&'static str>,
    may_outlive: bool,
}

/// Explores the schedules of `scenario`: all of them if the budget allows. If not, it runs
/// schedules with few interruptions first, and then random ones from fixed seeds.
#[track_caller]
pub fn schedules(scenario: impl Fn() + Send + Sync + 'static) -> Exploration {
    Explore::new().schedules_of(scenario)
}

/// Explores what the memory model allows `scenario` to do.
#[track_caller]
pub fn orderings(scenario: impl Fn() + Send + Sync + 'static) -> Exploration {
    Explore::new().orderings_of(scenario)
}

/// Waits until no other exploration runs. From now on, the allocator tells the model which memory
/// is freed.
fn alone() -> MutexGuard<'static, ()> {
    proctor::on_free(interleave_model::kernel::freed::forget);
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Explore {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            schedules: 2_000,
            executions: 2_000,
            steps: 20_000,
            time: Duration::from_secs(20),
            interruptions: Some(2),
            file: None,
            may_outlive: false,
        }
    }

    /// Sets how many schedules to run at most.
    #[must_use]
    pub fn schedules(mut self, schedules: u64) -> Self {
        self.schedules = schedules.max(1);
        self
    }

    /// Sets how many executions to run at most in the orderings world.
    #[must_use]
    pub fn executions(mut self, executions: u64) -> Self {
        self.executions = executions.max(1);
        self
    }

    /// Sets how many steps one run may take at most.
    #[must_use]
    pub fn steps(mut self, steps: u64) -> Self {
        self.steps = steps.max(1);
        self
    }

    /// Sets the time after which no new run begins: a safety net against a scenario that is far too
    /// big.
    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Sets how often a thread may be interrupted in one execution of the orderings world; `None`
    /// for no bound.
    #[must_use]
    pub fn interruptions(mut self, interruptions: Option<usize>) -> Self {
        self.interruptions = interruptions;
        self
    }

    /// Sets the file of the scenario (`file!()` there): steps in it are not steps of the code under
    /// test. The default is the file that calls the exploration.
    #[must_use]
    pub fn scenario_file(mut self, file: &'static str) -> Self {
        self.file = Some(file);
        self
    }

    /// A thread that waits for ever after the scenario has ended is then not a failure.
    #[must_use]
    pub fn threads_may_outlive(mut self) -> Self {
        self.may_outlive = true;
        self
    }

    /// Explores the schedules of `scenario`, or replays the one in [`REPLAY`], or reports the
    /// position that [`POSITION`] asks for.
    #[track_caller]
    pub fn schedules_of(&self, scenario: impl Fn() + Send + Sync + 'static) -> Exploration {
        let file = self.file.unwrap_or(Location::caller().file());
        if let Ok(text) = std::env::var(POSITION) {
            let told = position::read(&text).and_then(|request| {
                let position = self.found_position(Arc::new(scenario), file, &request)?;
                position::write(&position, &request.answer)
            });
            let reason = told.map_or_else(|reason| reason, |()| position::TOLD.to_owned());
            return not_judged(World::Schedules, reason);
        }
        match std::env::var(REPLAY) {
            Ok(text) => self.replayed(scenario, file, &text),
            Err(_) => self.explored(Arc::new(scenario), file, Plan::default()),
        }
    }

    /// Replays one schedule of `scenario`.
    #[track_caller]
    pub fn replay_of(
        &self,
        scenario: impl Fn() + Send + Sync + 'static,
        schedule: &str,
    ) -> Exploration {
        let file = self.file.unwrap_or(Location::caller().file());
        self.replayed(scenario, file, schedule)
    }

    fn replayed(
        &self,
        scenario: impl Fn() + Send + Sync + 'static,
        file: &'static str,
        text: &str,
    ) -> Exploration {
        let (name, letters) = schedule::parts(text);
        match schedule::read(letters) {
            Ok(prefix) => {
                let plan = Plan {
                    scenario: name.map(str::to_owned),
                    prefix,
                    then: Then::Finish,
                };
                self.explored(Arc::new(scenario), file, plan)
            }
            Err(reason) => not_judged(World::Schedules, reason),
        }
    }

    /// Returns where `scenario` is after the steps of a request. (It does not write the file for
    /// the answer.)
    ///
    /// # Errors
    /// With a sentence, if the request's schedule is not a schedule, or if it is for another
    /// scenario.
    #[track_caller]
    pub fn position_of(
        &self,
        scenario: impl Fn() + Send + Sync + 'static,
        request: &Request,
    ) -> Result<Position, String> {
        let file = self.file.unwrap_or(Location::caller().file());
        self.found_position(Arc::new(scenario), file, request)
    }

    fn found_position(
        &self,
        scenario: Arc<dyn Fn() + Send + Sync>,
        file: &'static str,
        request: &Request,
    ) -> Result<Position, String> {
        if std::thread::panicking() {
            return Err(UNWINDING.to_owned());
        }
        let _alone = alone();
        let budget = shuttled::Budget {
            schedules: request.count,
            ..self.budget()
        };
        position::find(request, |plan| {
            shuttled::explore(Arc::clone(&scenario), file, self.may_outlive, &budget, plan)
        })
    }

    fn budget(&self) -> shuttled::Budget {
        shuttled::Budget {
            schedules: self.schedules,
            steps: self.steps,
            time: self.time,
        }
    }

    fn explored(
        &self,
        scenario: Arc<dyn Fn() + Send + Sync>,
        file: &'static str,
        plan: Plan,
    ) -> Exploration {
        if std::thread::panicking() {
            return not_judged(World::Schedules, UNWINDING.to_owned());
        }
        let _alone = alone();
        let started = Instant::now();
        let replaying = plan.then == Then::Finish;
        let found = shuttled::explore(scenario, file, self.may_outlive, &self.budget(), plan);
        let replayed = || timeline(&found.run.state.borrow(), found.failure.is_some());
        Exploration {
            world: World::Schedules,
            schedules: found.schedules,
            complete: found.complete,
            scheduling_points: found.points,
            replayed: (replaying && !found.is_other).then(replayed),
            is_other: found.is_other,
            failure: found
                .failure
                .as_ref()
                .map(|(failure, schedule)| told(failure.clone(), &found.run, schedule)),
            not_judged: found.not_judged.clone(),
            millis: millis_since(started),
        }
    }

    /// Explores what the memory model allows `scenario` to do.
    #[track_caller]
    pub fn orderings_of(&self, scenario: impl Fn() + Send + Sync + 'static) -> Exploration {
        let asks = |name| std::env::var_os(name).is_some();
        if asks(REPLAY) || asks(POSITION) {
            return not_judged(
                World::Orderings,
                "a schedule string belongs to the schedules world; the orderings world cannot replay it".to_owned(),
            );
        }
        if std::thread::panicking() {
            return not_judged(World::Orderings, UNWINDING.to_owned());
        }
        let _alone = alone();
        let started = Instant::now();
        let budget = loomed::Budget {
            executions: self.executions,
            steps: self.steps.min(5_000),
            interruptions: self.interruptions,
            time: self.time,
        };
        let file = self.file.unwrap_or(Location::caller().file());
        let found = loomed::explore(Arc::new(scenario), file, self.may_outlive, &budget);
        Exploration {
            world: World::Orderings,
            schedules: found.executions,
            complete: found.complete,
            scheduling_points: found.points,
            replayed: None,
            is_other: false,
            failure: found
                .failure
                .clone()
                .map(|failure| told(failure, &found.run, &[])),
            not_judged: found.not_judged,
            millis: millis_since(started),
        }
    }
}

impl Default for Explore {
    fn default() -> Self {
        Self::new()
    }
}

fn told(failure: failure::Failure, run: &Run, schedule: &[u8]) -> Failure {
    let state = run.state.borrow();
    Failure {
        kind: kind(failure.kind),
        message: failure.message,
        at: failure.at.map(place),
        schedule: schedule::write_named(state.named, schedule),
        timeline: timeline(&state, true),
    }
}

fn not_judged(world: World, reason: String) -> Exploration {
    Exploration {
        world,
        schedules: 0,
        complete: false,
        scheduling_points: 0,
        failure: None,
        not_judged: Some(reason),
        replayed: None,
        is_other: false,
        millis: 0,
    }
}

fn millis_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}
