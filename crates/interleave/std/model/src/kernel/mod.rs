//! The kernel of the model: threads, objects, a clock and a log, for one execution at a time.
//!
//! ```text
//!   learner's code ── std (this crate) ── kernel ── engine ── shuttle | loom
//!                      Mutex::lock         who waits,          who runs next,
//!                      thread::spawn …     what happened       what a load sees
//! ```
//!
//! All modelled threads are coroutines of one operating-system thread, and only one of them runs at
//! a time. It lets others run inside engine calls and nowhere else. This makes the plain cells of
//! this crate sound, so their types may be `Sync`.

pub mod engine;
pub mod event;
pub mod failure;
pub mod freed;
pub mod object;
pub mod panics;
mod progress;
pub mod scenario;
pub mod thread;
mod waiting;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{Engine, ObjectId, Seed};
use event::{Event, Step};
use failure::{Failure, FailureKind};
use object::{Kind, Object};
use thread::Thread;

/// A place in the source.
pub type Place = &'static Location<'static>;

/// Where the virtual clock starts: late enough that an `Instant` may be set back by a day.
const EPOCH: u64 = 2 * 86_400 * 1_000_000_000;

/// No modelled thread is running.
pub const NOBODY: usize = usize::MAX;

/// One exploration: an engine and the state of its current execution.
pub struct Run {
    /// What decides which thread runs next, and what a load sees.
    pub engine: Box<dyn Engine>,
    /// The current execution. Never borrowed while the engine is called.
    pub state: RefCell<State>,
    /// The thread that is running.
    pub current: Cell<usize>,
    /// The number of the execution, unique in the process, from 1.
    pub execution: Cell<u64>,
    /// The atomics that `from_ptr` has made, by address and type. They are never freed.
    pub(crate) views: RefCell<BTreeMap<(usize, &'static str), *const ()>>,
}

/// The atomic that lies at an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    pub(crate) id: ObjectId,
    /// How many bits it has.
    pub(crate) bits: u32,
}

/// What is known about the current execution.
pub struct State {
    /// The threads, by number.
    pub threads: Vec<Thread>,
    /// The objects, by number.
    pub objects: Vec<Object>,
    /// The atomics whose memory the program can see, by address.
    pub(crate) homes: BTreeMap<usize, Home>,
    /// What happened.
    pub log: Vec<Event>,
    /// The virtual clock, in nanoseconds.
    pub clock: u64,
    /// How often the clock was read in a row without anything else happening.
    pub clock_reads: u32,
    /// The first failure.
    pub failure: Option<Failure>,
    /// The execution is being given up.
    pub stopping: bool,
    /// All threads that are left wait for ever, which the scenario allows: they are being ended.
    pub retiring: bool,
    /// Why the execution was given up without a verdict, if it was.
    pub gave_up: Option<String>,
    /// Where the execution started more threads than the engine supports, if it did: then it was
    /// given up.
    pub too_many_threads: Option<Place>,
    /// The step limit was reached.
    pub cut: bool,
    /// Steps so far.
    pub steps: u64,
    /// Steps so far that the code under test took, not the scenario.
    pub points: u64,
    /// Looks in a row, by all threads, that saw nothing new.
    pub fruitless: u32,
    /// The thread that took the last step, and how many it took without a break.
    pub streak: (usize, u32),
    /// Counts waits, so that threads are woken in the order in which they began to wait.
    pub waits: u64,
    /// The file of the scenario: steps there are not steps of the code under test.
    pub scenario: &'static str,
    /// The name of the scenario, once the scenario has said it.
    pub named: Option<&'static str>,
    /// The name of the only scenario that is to be run, if one is named.
    pub wanted: Option<String>,
    /// The scenario's own thread has ended.
    pub scenario_ended: bool,
    /// Whether a thread may outlive the scenario and stay blocked for ever.
    pub may_outlive: bool,
}

thread_local! {
    static RUN: RefCell<Option<Rc<Run>>> = const { RefCell::new(None) };
}

/// The exploration that runs on this operating-system thread.
#[must_use]
pub fn run() -> Option<Rc<Run>> {
    RUN.try_with(|run| run.try_borrow().ok()?.clone())
        .ok()
        .flatten()
}

/// The exploration, if a modelled thread is running.
pub(crate) fn running() -> Option<Rc<Run>> {
    run().filter(|run| run.current.get() != NOBODY)
}

/// The exploration, or a panic that says how to get one.
#[track_caller]
pub(crate) fn must_run(what: Kind) -> Rc<Run> {
    match running() {
        Some(run) => run,
        None => panic!(
            "this {} is a model for the explorer: use it only inside interleave::schedules(..) or interleave::orderings(..)",
            what.name()
        ),
    }
}

/// Runs `body` as the exploration of this thread.
pub fn with_run<R>(run: &Rc<Run>, body: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            RUN.with(|slot| *slot.borrow_mut() = None);
        }
    }
    RUN.with(|slot| *slot.borrow_mut() = Some(Rc::clone(run)));
    let _leave = Leave;
    body()
}

impl Run {
    /// An exploration by `engine` of a scenario in the file `scenario`.
    #[must_use]
    pub fn new(engine: Box<dyn Engine>, scenario: &'static str, may_outlive: bool) -> Rc<Self> {
        Rc::new(Self {
            engine,
            state: RefCell::new(State {
                threads: Vec::new(),
                objects: Vec::new(),
                homes: BTreeMap::new(),
                log: Vec::new(),
                clock: EPOCH,
                clock_reads: 0,
                failure: None,
                stopping: false,
                retiring: false,
                gave_up: None,
                too_many_threads: None,
                cut: false,
                steps: 0,
                points: 0,
                fruitless: 0,
                streak: (NOBODY, 0),
                waits: 0,
                scenario,
                named: None,
                wanted: None,
                scenario_ended: false,
                may_outlive,
            }),
            current: Cell::new(NOBODY),
            execution: Cell::new(0),
            views: RefCell::default(),
        })
    }

    /// Starts a new execution with one thread, which is to run the scenario.
    #[track_caller]
    pub fn begin(&self) {
        static EXECUTIONS: AtomicU64 = AtomicU64::new(1);
        self.execution
            .set(EXECUTIONS.fetch_add(1, Ordering::Relaxed));
        self.current.set(NOBODY);
        let mut state = self.state.borrow_mut();
        for thread in state.threads.drain(..) {
            // The thread-local values of a thread that was given up are leaked: their destructors
            // belong to a thread that no longer exists.
            std::mem::forget(thread.locals);
        }
        state.objects.clear();
        state.forget_homes();
        state.log.clear();
        state.clock = EPOCH;
        state.clock_reads = 0;
        state.failure = None;
        state.stopping = false;
        state.retiring = false;
        state.gave_up = None;
        state.too_many_threads = None;
        state.cut = false;
        state.steps = 0;
        state.points = 0;
        state.fruitless = 0;
        state.streak = (NOBODY, 0);
        state.waits = 0;
        state.named = None;
        state.scenario_ended = false;
        drop(state);
    }

    /// Makes the first thread known; called in the execution, before the scenario.
    #[track_caller]
    pub fn begin_main(&self) {
        let here = Location::caller();
        let object = self.register(Kind::Thread, here, Seed::Plain);
        let mut main = Thread::new(object, Some("main".to_owned()), here);
        main.next = Some(Step::LOCAL);
        self.state.borrow_mut().threads.push(main);
        self.current.set(0);
    }

    pub(crate) fn register(&self, kind: Kind, made: Place, seed: Seed) -> ObjectId {
        let id = {
            let mut state = self.state.borrow_mut();
            state.objects.push(Object {
                kind,
                made,
                owner: None,
                readers: Vec::new(),
                inside: Vec::new(),
                accesses: Vec::new(),
            });
            ObjectId::try_from(state.objects.len() - 1).unwrap_or(ObjectId::MAX)
        };
        self.engine.new_object(id, seed);
        id
    }

    /// One step of the current thread: announces it, lets `action` ask the engine for a scheduling
    /// point, and returns when the thread goes on.
    pub(crate) fn step<R>(
        &self,
        step: Step,
        at: Place,
        action: impl FnOnce(&dyn Engine) -> R,
    ) -> R {
        let me = self.current.get();
        if self.before_step(me, step, at) {
            self.engine.spin();
            self.current.set(me);
        }
        let result = action(&*self.engine);
        self.current.set(me);
        let mut state = self.state.borrow_mut();
        let thread = &mut state.threads[me];
        thread.next = Some(Step::LOCAL);
        thread.spinning = false;
        result
    }

    /// A step that is nothing but a scheduling point on `object`.
    pub(crate) fn point(&self, step: Step, object: ObjectId, order: Ordering, at: Place) {
        self.step(step, at, |engine| engine.point(Some(object), order));
    }

    /// The memory effect of an operation on `object` after a wait.
    pub(crate) fn resync(&self, object: ObjectId, order: Ordering) {
        let me = self.current.get();
        self.engine.resync(object, order);
        self.current.set(me);
    }

    /// Adds an event to the log.
    pub(crate) fn log(&self, event: Event) {
        self.state.borrow_mut().log.push(event);
    }

    /// Notes a failure, unless there is one, and gives the execution up.
    pub fn fail(&self, kind: FailureKind, message: String, at: Option<failure::At>) -> ! {
        {
            let mut state = self.state.borrow_mut();
            state.stopping = true;
            if state.failure.is_none() {
                state.failure = Some(Failure { kind, message, at });
            }
        }
        self.engine.stop()
    }

    /// Gives up the whole exploration without a verdict, because of something in the code under
    /// test that cannot be explored. `why` is a sentence that names it.
    pub(crate) fn give_up(&self, why: String) -> ! {
        {
            let mut state = self.state.borrow_mut();
            state.stopping = true;
            state.gave_up.get_or_insert(why);
        }
        self.engine.stop()
    }

    /// The number of the current thread.
    pub(crate) fn me(&self) -> usize {
        self.current.get()
    }
}
