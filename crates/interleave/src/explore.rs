//! Exploring: budgets, replays and positions.

use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use interleave_model::kernel::running::Scenario;
use records::schedule;

use crate::campaign::{Budget, Campaign};
use crate::exploration::Exploration;
use crate::position::{self, POSITION, Position, Request};

/// The environment variable that holds a schedule to replay, such as `a3b~1a`, or
/// `two_threads_add:a3b~1a` for only the scenario of that name.
pub const REPLAY: &str = "INTERLEAVE_REPLAY";

/// Only one exploration at a time may use the statics of the code under test.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How far to explore. The defaults suit a scenario of two or three threads with a few operations
/// each.
///
/// ```no_run
/// # fn scenario() {}
/// let found = interleave::Explore::new().executions(50_000).of(scenario);
/// ```
#[derive(Clone, Debug)]
pub struct Explore {
    budget: Budget,
    file: Option<&'static str>,
    may_outlive: bool,
}

/// Explores the executions of `scenario`: all of them, if the budget allows that.
#[track_caller]
pub fn explore(scenario: impl Fn() + Send + Sync + 'static) -> Exploration {
    Explore::new().of(scenario)
}

/// Waits until no other exploration runs. From now on, the allocator tells the model which memory
/// is freed.
fn alone() -> MutexGuard<'static, ()> {
    proctor::on_free(interleave_model::kernel::freed::forget);
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Explore {
    /// The defaults: 10,000 executions of 2,000 steps each.
    #[must_use]
    pub fn new() -> Self {
        Self {
            budget: Budget {
                executions: 10_000,
                steps: 2_000,
                spurious: 1,
                time: Duration::from_secs(20),
            },
            file: None,
            may_outlive: false,
        }
    }

    /// Sets how many executions to visit at most. The simplest come first: those with the fewest
    /// interruptions and old values. If they have more than a hundred steps on average, fewer are
    /// visited, because long ones take much longer; the coverage then says so.
    #[must_use]
    pub fn executions(mut self, executions: u64) -> Self {
        self.budget.executions = executions.max(1);
        self
    }

    /// Sets how many steps one execution may take.
    #[must_use]
    pub fn steps(mut self, steps: u64) -> Self {
        self.budget.steps = steps.max(1);
        self
    }

    /// Sets how often each thread may fail (in a weak compare-exchange), and how often it may wake up
    /// (from a wait on a condition variable, a futex or `park`), for no reason. The default is once;
    /// with 0, code that relies on neither ever happening passes.
    #[must_use]
    pub fn spurious(mut self, times: u32) -> Self {
        self.budget.spurious = times;
        self
    }

    /// Sets the time after which no new run begins: a safety net against a scenario that is far too
    /// big.
    #[must_use]
    pub fn time(mut self, time: Duration) -> Self {
        self.budget.time = time;
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

    /// Explores the executions of `scenario`, or replays the one in [`REPLAY`], or reports the
    /// position that [`POSITION`] asks for.
    #[track_caller]
    pub fn of(&self, scenario: impl Fn() + Send + Sync + 'static) -> Exploration {
        let file = self.file.unwrap_or(Location::caller().file());
        if let Ok(text) = std::env::var(POSITION) {
            let told = position::read(&text).and_then(|request| {
                let position = self.found_position(Arc::new(scenario), file, &request)?;
                position::write(&position, &request.answer)
            });
            let reason = told.map_or_else(|reason| reason, |()| position::TOLD.to_owned());
            return not_judged(reason);
        }
        match std::env::var(REPLAY) {
            Ok(text) => self.replayed(Arc::new(scenario), file, &text),
            Err(_) => {
                let campaign = self.campaign(Arc::new(scenario), file, None);
                timed(|| campaign.explore())
            }
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
        self.replayed(Arc::new(scenario), file, schedule)
    }

    fn replayed(&self, scenario: Scenario, file: &'static str, text: &str) -> Exploration {
        let (name, steps) = schedule::parts(text);
        match interleave_search::schedule::read(steps) {
            Ok(steps) => {
                let campaign = self.campaign(scenario, file, name.map(str::to_owned));
                timed(|| campaign.replay(&steps))
            }
            Err(reason) => not_judged(reason),
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
        scenario: Scenario,
        file: &'static str,
        request: &Request,
    ) -> Result<Position, String> {
        let _alone = alone();
        let mut campaign = self.campaign(scenario, file, request.scenario.clone());
        campaign.budget.executions = request.count.max(1);
        position::find(request, &campaign)
    }

    fn campaign(&self, scenario: Scenario, file: &'static str, wanted: Option<String>) -> Campaign {
        Campaign {
            scenario,
            file,
            may_outlive: self.may_outlive,
            wanted,
            budget: self.budget.clone(),
        }
    }
}

impl Default for Explore {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs an exploration while no other runs.
fn timed(explore: impl FnOnce() -> Exploration) -> Exploration {
    let _alone = alone();
    let started = Instant::now();
    let mut found = explore();
    found.millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    found
}

fn not_judged(reason: String) -> Exploration {
    Exploration {
        not_judged: Some(reason),
        ..Exploration::default()
    }
}
