//! Runs a scenario under one schedule after another.
//!
//! ```text
//!   Runner (shuttle) ── asks ──▶ Scheduler ── looks at ──▶ kernel: who can run, what comes next
//!        │                          └─ asks ──▶ Strategy: fair, bounded, exhaustive, random, none
//!        └─ resumes a thread's coroutine
//! ```

mod campaign;
mod engine;
mod exhaustive;
mod livelock;
mod options;
mod random;
mod scheduler;

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::{Arc, Once};
use std::time::Duration;

use campaign::Campaign;
use engine::Shuttle;
use interleave_model::kernel::{self, Run, failure::Failure, panics};
use scheduler::Scheduler;
use shuttle_engine::{Config, FailurePersistence, MaxSteps, Runner};

/// How long to explore.
#[derive(Clone, Debug)]
pub struct Budget {
    /// How many schedules at most.
    pub schedules: u64,
    /// How many steps one schedule may take.
    pub steps: u64,
    /// When to stop in any case: a safety net that no verdict should need.
    pub time: Duration,
}

/// What to explore, and where to begin.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Only the scenario with this name, if there is a name.
    pub scenario: Option<String>,
    /// The threads that are scheduled first, in this order.
    pub prefix: Vec<u8>,
    /// What comes after them.
    pub then: Then,
}

/// What comes after a [`Plan`]'s prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Then {
    /// One schedule after another, until one fails.
    #[default]
    Explore,
    /// The rest of this one schedule: the running thread goes on if it can.
    Finish,
    /// Nothing: the execution stops there, and the caller can look at it.
    Stand {
        /// Whether to go on while there is nothing to choose.
        run_on: bool,
    },
    /// Counts all schedules that begin like that, whether they fail or not.
    Count,
}

/// How many schedules begin with a prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How many different ones were run.
    pub schedules: u64,
    /// How many of them failed.
    pub failing: u64,
    /// Whether these were all.
    pub complete: bool,
}

/// What an exploration found.
pub struct Found {
    /// The exploration, with the log of its last execution.
    pub run: Rc<Run>,
    /// How many different schedules were run.
    pub schedules: u64,
    /// Whether these were all that exist.
    pub complete: bool,
    /// The most steps that the code under test took in one schedule.
    pub points: u64,
    /// The first failure, and the threads in the order in which they were scheduled.
    pub failure: Option<(Failure, Vec<u8>)>,
    /// Why there is no verdict.
    pub not_judged: Option<String>,
    /// Whether another scenario was wanted, so that nothing was run.
    pub is_other: bool,
    /// The threads in the order in which they were scheduled in the last execution.
    pub schedule: Vec<u8>,
    /// After this many of them, the rest follows without a choice.
    pub decided: usize,
    /// Which threads could go on, where [`Then::Stand`] stopped.
    pub standing: Option<Vec<usize>>,
    /// What [`Then::Count`] counted.
    pub counted: Counted,
}

/// Threads are named by letters, so there are at most 26.
const MAX_THREADS: usize = 26;

/// Room for each thread's stack, in bytes; only what is used is backed by memory.
const STACK: usize = 0x4_0000;

/// Runs schedules of `scenario`, whose source file is `file`, as planned.
pub fn explore(
    scenario: Arc<dyn Fn() + Send + Sync>,
    file: &'static str,
    may_outlive: bool,
    budget: &Budget,
    plan: Plan,
) -> Found {
    static HOOK: Once = Once::new();
    panics::install_hook(&HOOK, || {
        Runner::new(scheduler::Once::new(), config()).run(|| {});
    });
    let limit = Rc::new(std::cell::Cell::new(budget.steps));
    let run = Run::new(Box::new(Shuttle::new(Rc::clone(&limit))), file, may_outlive);
    run.state.borrow_mut().wanted = plan.scenario;
    let campaign = Campaign::new(budget, plan.prefix, plan.then, limit);
    let campaign = Rc::new(RefCell::new(campaign));
    let scheduler = Scheduler::new(Rc::clone(&run), Rc::clone(&campaign));
    let ended = kernel::with_run(&run, || {
        panic::catch_unwind(AssertUnwindSafe(|| {
            Runner::new(scheduler, config()).run(move || {
                if let Some(run) = kernel::run() {
                    run.run_scenario(&*scenario);
                }
            });
        }))
    });
    run.current.set(kernel::NOBODY);
    let campaign = campaign.borrow();
    let mut found = campaign.found(Rc::clone(&run));
    if ended.is_err() && found.failure.is_none() {
        found.failure = run
            .state
            .borrow()
            .failure
            .clone()
            .map(|failure| (failure, campaign.schedule()));
        if found.failure.is_none() && found.not_judged.is_none() {
            found.not_judged =
                Some("the explorer itself failed; this is a bug in the course".into());
        }
    }
    found
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::None;
    config.silence_warnings = true;
    config
}
