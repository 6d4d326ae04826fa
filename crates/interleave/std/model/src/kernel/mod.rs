//! The kernel of the model: threads, objects, clocks and a log, for one execution at a time.
//!
//! ```text
//!   learner's code ── std (this crate) ──── kernel ──────────── search
//!                      Mutex::lock           announces what a    whose turn it is,
//!                      thread::spawn …       thread does next    what a load reads
//! ```
//!
//! All modelled threads are coroutines of one operating-system thread, and only one of them runs at
//! a time. It lets others run inside `Run::perform` and nowhere else. This makes the plain cells
//! of this crate sound, so their types may be `Sync`.
//!
//! Everything through which threads meet is made of *words*: locations of the search, with loads,
//! stores and read-modify-writes that may wait for a value. A mutex is one word, a channel a few.
//! What else an object keeps (the data in a mutex, the messages of a channel) follows from what its
//! words say, and so is the same whenever the same execution is run again.

pub mod event;
pub mod failure;
mod fibers;
pub mod freed;
mod looks;
pub mod object;
pub mod outside;
pub mod panics;
pub(crate) mod performing;
pub mod running;
pub mod scenario;
mod standstill;
pub mod thread;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use interleave_search::{EventId, Search};

use event::Event;
use failure::{Failure, FailureKind};
pub use looks::Habits;
use object::{Kind, Object, ObjectId, Word};
use thread::Thread;

/// A place in the source.
pub type Place = &'static Location<'static>;

/// No modelled thread is running.
pub const NOBODY: usize = usize::MAX;

/// One exploration, with the state of its current execution.
pub struct Run {
    /// What decides which thread runs next, and what a load reads. Never borrowed while a modelled
    /// thread runs its own code.
    pub search: RefCell<Search>,
    /// The current execution. Never borrowed while another thread may run.
    pub state: RefCell<State>,
    /// The coroutines of the threads. That of the running thread is not there.
    fibers: RefCell<Vec<Option<fibers::Fiber>>>,
    /// The thread that is running.
    pub current: Cell<usize>,
    /// The number of the execution, unique in the process, from 1.
    pub execution: Cell<u64>,
    /// Whether rounds of a loop that show nothing new are followed. A search leaves them out.
    pub follows: Cell<bool>,
    /// What is known of the loops of the code under test, from one execution to the next.
    pub habits: RefCell<Habits>,
    /// The atomics that `from_ptr` has made, by address and type. They are never freed.
    pub(crate) views: RefCell<BTreeMap<(usize, &'static str), *const ()>>,
}

/// The atomic that lies at an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    pub(crate) id: ObjectId,
    /// How many bits it has.
    pub(crate) bits: u32,
    /// What was last written there by an atomic operation.
    pub(crate) shown: u64,
}

/// What is known about the current execution.
#[derive(Default)]
pub struct State {
    /// The threads, by number.
    pub threads: Vec<Thread>,
    /// The objects, by number.
    pub objects: Vec<Object>,
    /// The atomics whose memory the program can see, by address.
    pub(crate) homes: BTreeMap<usize, Home>,
    /// What happened.
    pub log: Vec<Event>,
    /// Where in the source each store was performed, and when by its thread's clock.
    pub(crate) stores: HashMap<EventId, (Place, u64)>,
    /// The first failure.
    pub failure: Option<Failure>,
    /// The execution is being given up.
    pub stopping: bool,
    /// The execution must be run again, because something was learned about a loop.
    pub again: bool,
    /// The execution shows nothing that a shorter one does not show.
    pub useless: bool,
    /// Why the execution was given up without a verdict, if it was.
    pub gave_up: Option<String>,
    /// The step limit was reached.
    pub cut: bool,
    /// A thread could have failed or woken for no reason once more than is tried.
    pub bounded: bool,
    /// Steps so far.
    pub steps: u64,
    /// The thread that took the last step, and how many it took without a break.
    pub(crate) streak: (usize, u32),
    /// How often each thread may fail, and how often it may wake up, for no reason.
    pub most_spurious: u32,
    /// How many steps one execution may take.
    pub most_steps: u64,
    /// Steps so far that the code under test took, not the scenario.
    pub points: u64,
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
            "this {} is a model for the explorer: use it only inside interleave::explore(..)",
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
    /// An exploration by `search` of a scenario in the file `scenario`.
    #[must_use]
    pub fn new(search: Search, scenario: &'static str, may_outlive: bool) -> Rc<Self> {
        Rc::new(Self {
            search: RefCell::new(search),
            state: RefCell::new(State {
                scenario,
                may_outlive,
                ..State::default()
            }),
            fibers: RefCell::default(),
            current: Cell::new(NOBODY),
            execution: Cell::new(0),
            follows: Cell::new(false),
            habits: RefCell::default(),
            views: RefCell::default(),
        })
    }

    /// Forgets the last execution. The search has begun the next one.
    fn begin(&self) {
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
        state.forget_homes();
        *state = State {
            scenario: state.scenario,
            may_outlive: state.may_outlive,
            most_spurious: state.most_spurious,
            most_steps: state.most_steps,
            wanted: state.wanted.take(),
            log: std::mem::take(&mut state.log),
            ..State::default()
        };
        state.log.clear();
    }

    /// Makes an object known that has these words.
    pub(crate) fn register(&self, kind: Kind, made: Place, words: &[Word]) -> ObjectId {
        let mut search = self.search.borrow_mut();
        let mut numbers = words
            .iter()
            .map(|word| search.object(word.initial, word.bits));
        let first = numbers.next().unwrap_or(usize::MAX);
        numbers.for_each(drop);
        let mut state = self.state.borrow_mut();
        state.objects.push(Object {
            kind,
            made,
            word: first,
            queue: None,
            owner: None,
            readers: Vec::new(),
            inside: Vec::new(),
            accesses: Vec::new(),
        });
        ObjectId::try_from(state.objects.len() - 1).unwrap_or(ObjectId::MAX)
    }

    /// The location of an object's first word. Those of the others follow.
    pub(crate) fn word(&self, id: ObjectId) -> usize {
        self.state.borrow().objects[id as usize].word
    }

    /// Adds an event to the log.
    pub(crate) fn log(&self, event: Event) {
        self.state.borrow_mut().log.push(event);
    }

    /// Notes a failure, unless there is one, and gives the execution up.
    pub fn fail(&self, kind: FailureKind, message: String, at: Option<failure::At>) -> ! {
        self.loop_is_over();
        self.note_failure(kind, message, at);
        self.stop()
    }

    pub(crate) fn note_failure(&self, kind: FailureKind, message: String, at: Option<failure::At>) {
        let mut state = self.state.borrow_mut();
        state.stopping = true;
        if state.failure.is_none() {
            state.failure = Some(Failure { kind, message, at });
        }
    }

    /// Gives up the whole exploration without a verdict, because of something in the code under
    /// test that cannot be explored. `why` is a sentence that names it.
    pub(crate) fn give_up(&self, why: String) -> ! {
        {
            let mut state = self.state.borrow_mut();
            state.stopping = true;
            state.gave_up.get_or_insert(why);
        }
        self.stop()
    }

    /// The number of the current thread.
    pub(crate) fn me(&self) -> usize {
        self.current.get()
    }
}
