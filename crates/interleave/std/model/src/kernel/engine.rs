//! What a world must be able to do: the few operations of which everything else is built.
//!
//! A mutex, a channel or a barrier is the same program in both worlds: it announces a step, asks
//! the engine for a scheduling point, and changes plain state, which is safe because only one
//! modelled thread runs at a time. The engines differ in which thread may run next and in what an
//! atomic load may see.

use std::sync::atomic::Ordering;

/// The number of a modelled object (an atomic, a lock, a thread …) in the current execution.
pub type ObjectId = u32;

/// What an engine must keep for a new object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seed {
    /// A lock, a thread, a channel: something through which threads synchronize.
    Plain,
    /// An atomic that starts with this value and has this many bits.
    Atomic(u64, u32),
    /// A payload whose accesses are checked.
    Cell,
}

/// What an atomic read-modify-write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Changes nothing: it only reads the newest value.
    Look,
    /// Stores the value.
    Swap(u64),
    /// Stores the second value if the first is there.
    CompareExchange(u64, u64),
    /// Adds, wrapping around.
    Add(u64),
    /// Bitwise "and".
    And(u64),
    /// Bitwise "or".
    Or(u64),
    /// Bitwise "exclusive or".
    Xor(u64),
}

impl Change {
    /// The new value of an atomic of this many bits that holds `old`.
    #[must_use]
    pub fn apply(self, old: u64, bits: u32) -> u64 {
        let new = match self {
            Self::Look => old,
            Self::Swap(new) => new,
            Self::CompareExchange(current, new) if current == old => new,
            Self::CompareExchange(..) => old,
            Self::Add(value) => old.wrapping_add(value),
            Self::And(value) => old & value,
            Self::Or(value) => old | value,
            Self::Xor(value) => old ^ value,
        };
        new & (u64::MAX >> (64 - bits))
    }
}

/// One way of running modelled threads.
///
/// Every method that lets another thread run returns when the calling thread is to go on. All of
/// them are called from inside an execution only.
pub trait Engine {
    /// The most threads one execution may have, the first included.
    fn max_threads(&self) -> usize;

    /// How many looks in a row that see nothing new, by all threads together, count as a spin that
    /// never ends.
    fn spin_limit(&self) -> u32;

    /// How many steps one execution may take.
    fn step_limit(&self) -> u64;

    /// Adds a thread that will run `body`; its number is the count of threads before it.
    fn spawn(&self, body: Box<dyn FnOnce()>);

    /// A scheduling point before an operation on `object`. The operation synchronizes with `order`
    /// (`Acquire`, `Release`, `AcqRel` or `Relaxed`).
    fn point(&self, object: Option<ObjectId>, order: Ordering);

    /// The memory effect of such a point, after a wait: the wait itself was the scheduling point.
    fn resync(&self, object: ObjectId, order: Ordering);

    /// Lets other threads run. The calling thread is blocked, or it waits with a deadline. This may
    /// return early, so the caller checks again.
    fn pause(&self);

    /// Says that thread number `thread`, which is in [`Self::pause`], has been made ready.
    fn wake(&self, thread: usize);

    /// Whether a thread that will have to wait may begin its wait without a scheduling point: true
    /// if the engine tries all orders of steps anyway, false if it looks for steps that collide.
    fn may_wait_unseen(&self) -> bool;

    /// The calling thread has read the same values again: others should go first.
    fn spin(&self);

    /// Makes room for a new object. Objects are numbered from 0 in each execution.
    fn new_object(&self, id: ObjectId, seed: Seed);

    /// An atomic load, with its scheduling point.
    fn load(&self, id: ObjectId, order: Ordering) -> u64;

    /// An atomic store, with its scheduling point.
    fn store(&self, id: ObjectId, value: u64, order: Ordering);

    /// An atomic read-modify-write of the newest value, with its scheduling point. Returns the old
    /// value. `failure` is the order of a compare-exchange that fails.
    fn rmw(&self, id: ObjectId, change: Change, success: Ordering, failure: Ordering) -> u64;

    /// A memory fence. It is not a scheduling point.
    fn fence(&self, order: Ordering);

    /// The newest value of an atomic, without a scheduling point: for `into_inner` and `get_mut`.
    fn peek(&self, id: ObjectId) -> u64;

    /// Checks an access to a payload against every other access. The error says with which kind of
    /// access it collides.
    fn cell(&self, id: ObjectId, write: bool) -> Result<(), Collision>;

    /// Ends the whole exploration: a failure has been noted. The thread is never resumed and its
    /// stack is given up without running destructors.
    fn stop(&self) -> !;

    /// Ends the calling thread for good, without running destructors: it would wait for ever, and
    /// the scenario allows that.
    fn retire(&self) -> !;

    /// Ends this execution only: it took too many steps.
    fn cut(&self) -> !;
}

/// An access to a payload that nothing orders against an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collision {
    /// The earlier access that collides was a write.
    WithWrite,
    /// The earlier access that collides was a read.
    WithRead,
}
