//! Runs a scenario under everything that the memory model allows.
//!
//! loom decides, and the kernel of `interleave-model` tells it what the threads do. When the kernel
//! has noted a failure, the model ends early: this module panics through loom's own frames. The
//! stacks of the threads, on which the code under test runs, are separate, and they are given up
//! without unwinding.

mod atom;
mod engine;
mod stacks;

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use engine::Loom;
use interleave_model::kernel::{self, Run, failure::Failure, panics};
use loom::sync::atomic::AtomicU64;

/// How long to explore.
#[derive(Clone, Debug)]
pub struct Budget {
    /// How many executions at most.
    pub executions: u64,
    /// How many steps one execution may take.
    pub steps: u64,
    /// How often a thread may be interrupted in one execution; `None` for no bound.
    pub interruptions: Option<usize>,
    /// When to stop in any case: a safety net that no verdict should need.
    pub time: Duration,
}

/// What an exploration found.
pub struct Found {
    /// The exploration, with the log of its last execution.
    pub run: Rc<Run>,
    /// How many executions there were.
    pub executions: u64,
    /// Whether these were all that exist (within the bound on interruptions).
    pub complete: bool,
    /// The most steps that the code under test took in one execution.
    pub points: u64,
    /// The first failure.
    pub failure: Option<Failure>,
    /// Why there is no verdict.
    pub not_judged: Option<String>,
}

/// The payload of the panic that ends a model early.
pub(crate) struct Stop;

#[derive(Default)]
struct Tally {
    executions: u64,
    points: u64,
    failure: Option<Failure>,
}

/// How many atomics and other objects a scenario has: the first guess.
const OBJECTS: usize = 32;

/// Scenarios with more objects than this are not explored.
const MOST_OBJECTS: usize = 2_048;

/// Explores the memory orderings of `scenario`, whose source file is `file`.
pub fn explore(
    scenario: Arc<dyn Fn() + Send + Sync>,
    file: &'static str,
    may_outlive: bool,
    budget: &Budget,
) -> Found {
    static HOOK: Once = Once::new();
    panics::install_hook(&HOOK, || loom::model::Builder::new().check(|| {}));
    let mut objects = OBJECTS;
    loop {
        match attempt(&scenario, file, may_outlive, budget, objects) {
            Ok(found) => return found,
            Err(TooFewObjects) if objects < MOST_OBJECTS => objects *= 4,
            Err(TooFewObjects) => {
                let run = Run::new(
                    Box::new(Loom::new(0, Rc::default(), Rc::default())),
                    file,
                    false,
                );
                return Found {
                    run,
                    executions: 0,
                    complete: false,
                    points: 0,
                    failure: None,
                    not_judged: Some(format!(
                        "your code makes more than {MOST_OBJECTS} atomics, locks and channels in one execution, and the explorer has no room for more"
                    )),
                };
            }
        }
    }
}

struct TooFewObjects;

fn attempt(
    scenario: &Arc<dyn Fn() + Send + Sync>,
    file: &'static str,
    may_outlive: bool,
    budget: &Budget,
    objects: usize,
) -> Result<Found, TooFewObjects> {
    let spare = Rc::new(RefCell::new(Vec::new()));
    let ran_out = Rc::new(Cell::new(false));
    let engine = Loom::new(budget.steps, Rc::clone(&spare), Rc::clone(&ran_out));
    let run = Run::new(Box::new(engine), file, may_outlive);
    let model = Rc::new(Model {
        tally: RefCell::default(),
        spare,
        objects,
    });
    let started = Instant::now();
    let builder = builder(budget);
    let scenario = Arc::clone(scenario);
    let ended = kernel::with_run(&run, || {
        MODEL.with(|slot| *slot.borrow_mut() = Some(Rc::clone(&model)));
        let ended = panic::catch_unwind(AssertUnwindSafe(|| {
            builder.check(move || execute(&scenario));
        }));
        MODEL.with(|slot| *slot.borrow_mut() = None);
        ended
    });
    run.current.set(kernel::NOBODY);
    if ran_out.get() {
        return Err(TooFewObjects);
    }
    if ended.is_ok() {
        model.count(&run);
    }
    let in_time = started.elapsed() < budget.time;
    Ok(conclude(
        run,
        &model.tally.borrow(),
        budget,
        &ended,
        in_time,
    ))
}

fn builder(budget: &Budget) -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    builder.max_threads = loom::MAX_THREADS;
    // A step is at most a few branches: a switch, a load, a yield.
    builder.max_branches = usize::try_from(budget.steps).unwrap_or(usize::MAX) * 4;
    builder.max_permutations = usize::try_from(budget.executions + 1).ok();
    builder.max_duration = Some(budget.time);
    builder.preemption_bound = budget.interruptions;
    builder.checkpoint_interval = 1;
    builder.checkpoint_file = None;
    builder.log = false;
    builder.location = false;
    builder
}

/// What is kept from one execution to the next.
struct Model {
    tally: RefCell<Tally>,
    spare: Rc<RefCell<Vec<AtomicU64>>>,
    objects: usize,
}

thread_local! {
    static MODEL: RefCell<Option<Rc<Model>>> = const { RefCell::new(None) };
}

/// One execution, on loom's first thread.
fn execute(scenario: &Arc<dyn Fn() + Send + Sync>) {
    let (Some(run), Some(model)) = (kernel::run(), MODEL.with(|slot| slot.borrow().clone())) else {
        return;
    };
    if run.execution.get() > 0 {
        model.count(&run);
    }
    run.begin();
    let fresh = (0..model.objects).map(|_| AtomicU64::new(0)).collect();
    *model.spare.borrow_mut() = fresh;
    let scenario = Arc::clone(scenario);
    let in_thread = Rc::clone(&run);
    stacks::run(Box::new(move || in_thread.run_scenario(&*scenario)));
}

impl Model {
    /// Counts the execution that has ended.
    fn count(&self, run: &Run) {
        let mut tally = self.tally.borrow_mut();
        tally.executions += 1;
        tally.points = tally.points.max(run.state.borrow().points);
        if tally.failure.is_none() {
            tally.failure = run.end_of_execution();
        }
    }
}

fn conclude(
    run: Rc<Run>,
    tally: &Tally,
    budget: &Budget,
    ended: &std::thread::Result<()>,
    in_time: bool,
) -> Found {
    let state = run.state.borrow();
    let failure = state.failure.clone().or(tally.failure.clone());
    let not_judged = if failure.is_some() {
        None
    } else if let Some(at) = state.too_many_threads {
        Some(format!(
            "{}:{} starts thread number {}, but memory orderings are explored with at most {} threads, the scenario's own thread included",
            at.file(),
            at.line(),
            state.threads.len() + 1,
            loom::MAX_THREADS
        ))
    } else if state.cut {
        Some(format!(
            "one execution took more than {} steps, so the explorer did not follow it to its end",
            budget.steps
        ))
    } else if let Some(why) = &state.gave_up {
        Some(why.clone())
    } else if let Err(payload) = ended {
        let message = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("it did not say why");
        let line = message.lines().next().unwrap_or_default();
        Some(format!("loom gave up: {line}"))
    } else {
        None
    };
    let executions = tally.executions + u64::from(failure.is_some() && tally.failure.is_none());
    let complete = ended.is_ok() && executions < budget.executions && in_time;
    let points = tally.points.max(state.points);
    drop(state);
    Found {
        run,
        executions,
        complete,
        points,
        failure,
        not_judged,
    }
}
