//! A scheduler for fibers: each fiber runs until it yields, and then the next
//! fiber in the queue runs.
//!
//! ```
//! use std::cell::RefCell;
//! use std::rc::Rc;
//! use coroutines::round_robin::RoundRobin;
//!
//! let said = Rc::new(RefCell::new(String::new()));
//! let mut fibers = RoundRobin::new();
//! for name in ["a", "b", "c"] {
//!     let said = Rc::clone(&said);
//!     fibers.spawn(move |turn| {
//!         for n in 1..=2 {
//!             *said.borrow_mut() += &format!("{name}{n} ");
//!             turn.yield_now();
//!         }
//!     })?;
//! }
//! fibers.run()?;
//! assert_eq!(*said.borrow(), "a1 b1 c1 a2 b2 c2 ");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The scheduler never preempts a fiber. A fiber that does not yield keeps all
//! others waiting, and a blocking system call in one fiber blocks them all.
//!
//! ```text
//!              ┌──────── yields ────────┐
//!              ▼                        │
//!   spawn ──▶ queue ──── its turn ──▶ runs ──▶ ends ──▶ its stack is kept
//!              ▲                        │        │
//!              └── the other ended ── joins      └──▶ wakes those that join it
//! ```

mod join;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use crate::fiber::{DEFAULT_STACK_SIZE, Fiber, StackError, StackPool, Step, Suspender};
pub use join::JoinHandle;
use join::{Ending, Outcome};

/// A queue of fibers on this thread.
///
/// Dropping it unwinds the fibers that have not ended, in no particular order.
#[derive(Default)]
pub struct RoundRobin {
    fibers: Rc<Fibers>,
}

impl RoundRobin {
    /// Makes a scheduler without fibers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a new fiber at the end of the queue. Nothing of `body` runs yet.
    ///
    /// # Errors
    ///
    /// [`StackError::NoMemory`] if the kernel refuses the memory for its stack.
    pub fn spawn<F, T>(&self, body: F) -> Result<JoinHandle<T>, StackError>
    where
        F: FnOnce(&Turn<'_>) -> T + 'static,
        T: 'static,
    {
        Fibers::spawn(&self.fibers, body)
    }

    /// Runs the fibers in turn until all have ended, including the fibers that
    /// they spawn meanwhile.
    ///
    /// A fiber's panic ends only that fiber. Its [`JoinHandle`] has the payload.
    ///
    /// # Errors
    ///
    /// [`Deadlock`] if fibers are left that join one another, so that none of
    /// them can ever continue. They stay suspended until the scheduler is
    /// dropped.
    pub fn run(&mut self) -> Result<(), Deadlock> {
        // `next` has ended its borrow of the queue before the fiber runs.
        while let Some(id) = self.fibers.next() {
            self.fibers.give_turn(id);
        }
        match self.fibers.unended() {
            0 => Ok(()),
            waiting => Err(Deadlock { waiting }),
        }
    }

    /// Returns the number of switches to fibers so far.
    pub fn turns(&self) -> u64 {
        self.fibers.turns.get()
    }
}

impl Drop for RoundRobin {
    fn drop(&mut self) {
        // We take the fibers out first, because a destructor on a fiber's stack
        // may still use the scheduler through its `Turn`.
        let left = std::mem::take(&mut *self.fibers.all.borrow_mut());
        drop(left);
    }
}

impl fmt::Debug for RoundRobin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoundRobin")
            .field("unended", &self.fibers.unended())
            .field("turns", &self.turns())
            .finish_non_exhaustive()
    }
}

/// A fiber's turn on the processor. The fiber uses it to call the scheduler.
pub struct Turn<'f> {
    suspender: &'f Suspender<(), Pause>,
    fibers: &'f Rc<Fibers>,
}

impl Turn<'_> {
    /// Puts this fiber at the end of the queue: all other fibers that are ready
    /// run first.
    ///
    /// If the scheduler is dropped meanwhile, this call does not return: a
    /// panic unwinds the stack from here. A body that catches this panic must
    /// pass it on with [`std::panic::resume_unwind`].
    pub fn yield_now(&self) {
        self.suspender.suspend(Pause::Yield);
    }

    /// Puts a new fiber at the end of the queue.
    ///
    /// # Errors
    ///
    /// [`StackError::NoMemory`] if the kernel refuses the memory for its stack.
    pub fn spawn<F, T>(&self, body: F) -> Result<JoinHandle<T>, StackError>
    where
        F: FnOnce(&Turn<'_>) -> T + 'static,
        T: 'static,
    {
        Fibers::spawn(self.fibers, body)
    }

    /// Waits until another fiber has ended. All other fibers run meanwhile.
    ///
    /// # Errors
    ///
    /// The payload of the other fiber's panic, if it panicked.
    pub fn join<T: 'static>(&self, other: JoinHandle<T>) -> std::thread::Result<T> {
        let outcome = other.into_outcome();
        loop {
            if let Some(result) = outcome.take() {
                return result;
            }
            let outcome: Rc<dyn Ending> = Rc::clone(&outcome) as _;
            self.suspender.suspend(Pause::Join(outcome));
        }
    }
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

/// Why a fiber gives up its turn.
enum Pause {
    Yield,
    /// The fiber waits until this other fiber has ended.
    Join(Rc<dyn Ending>),
}

/// A fiber with what it leaves behind.
struct Member {
    body: Fiber<(), Pause, ()>,
    ending: Rc<dyn Ending>,
}

/// The state that the scheduler and the running fiber share. No borrow of it
/// lasts across a switch, because the fiber would find it borrowed.
#[derive(Default)]
struct Fibers {
    /// The fibers by number. An entry is `None` if its fiber has ended or runs
    /// at the moment.
    all: RefCell<Vec<Option<Member>>>,
    free: RefCell<Vec<usize>>,
    ready: RefCell<VecDeque<usize>>,
    stacks: OnceCell<StackPool>,
    turns: Cell<u64>,
}

impl Fibers {
    fn spawn<F, T>(this: &Rc<Self>, body: F) -> Result<JoinHandle<T>, StackError>
    where
        F: FnOnce(&Turn<'_>) -> T + 'static,
        T: 'static,
    {
        let stack = this.stacks()?.stack()?;
        let outcome = Rc::new(Outcome::default());
        let ours = Rc::clone(&outcome);
        // Weak, because the scheduler owns the fibers, not the reverse.
        let fibers = Rc::downgrade(this);
        let body = Fiber::on(stack, move |suspender: &Suspender<(), Pause>, ()| {
            // This succeeds: a fiber runs only while its scheduler exists.
            if let Some(fibers) = &fibers.upgrade() {
                ours.returned(body(&Turn { suspender, fibers }));
            }
        })?;
        let ending: Rc<dyn Ending> = Rc::clone(&outcome) as _;
        this.enter(Member { body, ending });
        Ok(JoinHandle::new(outcome))
    }

    /// The stacks of all fibers, which later fibers use again.
    fn stacks(&self) -> Result<&StackPool, StackError> {
        match self.stacks.get() {
            Some(pool) => Ok(pool),
            None => {
                let pool = StackPool::new(DEFAULT_STACK_SIZE)?;
                Ok(self.stacks.get_or_init(|| pool))
            }
        }
    }

    fn enter(&self, fiber: Member) {
        let mut all = self.all.borrow_mut();
        let free = self.free.borrow_mut().pop();
        let id = free.unwrap_or(all.len());
        match all.get_mut(id) {
            Some(place) => *place = Some(fiber),
            None => all.push(Some(fiber)),
        }
        self.ready.borrow_mut().push_back(id);
    }

    fn next(&self) -> Option<usize> {
        self.ready.borrow_mut().pop_front()
    }

    fn unended(&self) -> usize {
        self.all.borrow().iter().flatten().count()
    }

    /// Runs one fiber until it yields, joins or ends.
    fn give_turn(&self, id: usize) {
        let taken = self.all.borrow_mut().get_mut(id).and_then(Option::take);
        let Some(mut fiber) = taken else {
            return;
        };
        self.turns.set(self.turns.get() + 1);
        // A fiber's panic comes out of `resume`, on the scheduler's stack.
        match catch_unwind(AssertUnwindSafe(|| fiber.body.resume(()))) {
            Ok(Step::Yield(Pause::Yield)) => {
                self.put_back(id, fiber);
                self.ready.borrow_mut().push_back(id);
            }
            Ok(Step::Yield(Pause::Join(other))) => {
                self.put_back(id, fiber);
                if !other.wait(id) {
                    self.ready.borrow_mut().push_back(id);
                }
            }
            Ok(Step::Return(())) => self.end(id, fiber),
            Err(payload) => {
                fiber.ending.panicked(payload);
                self.end(id, fiber);
            }
        }
    }

    fn put_back(&self, id: usize, fiber: Member) {
        if let Some(place) = self.all.borrow_mut().get_mut(id) {
            *place = Some(fiber);
        }
    }

    fn end(&self, id: usize, fiber: Member) {
        self.ready.borrow_mut().extend(fiber.ending.waiters());
        self.free.borrow_mut().push(id);
    }
}

/// The fibers that are left wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlock {
    /// The number of fibers that are left.
    pub waiting: usize,
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} fiber(s) join fibers that never end: look for a circle of joins",
            self.waiting
        )
    }
}

impl std::error::Error for Deadlock {}
