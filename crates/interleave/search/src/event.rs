//! What a thread does to the memory that it shares with others.

use std::sync::atomic::Ordering;

/// An event: the `index`-th of its thread, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The thread.
    pub thread: usize,
    /// Its place in the order of the thread's program.
    pub index: usize,
}

/// Which values let an operation go on. An operation that finds another value waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Guard {
    /// Every value.
    #[default]
    Always,
    /// Only this value.
    Equals(u64),
    /// Every other value.
    Differs(u64),
    /// This value and greater ones.
    AtLeast(u64),
    /// Smaller values.
    Below(u64),
    /// Values in which none of these bits is set.
    Without(u64),
}

impl Guard {
    /// Whether an operation that finds `value` goes on.
    #[must_use]
    pub fn lets(self, value: u64) -> bool {
        match self {
            Guard::Always => true,
            Guard::Equals(wanted) => value == wanted,
            Guard::Differs(known) => value != known,
            Guard::AtLeast(least) => value >= least,
            Guard::Below(bound) => value < bound,
            Guard::Without(bits) => value & bits == 0,
        }
    }
}

/// What a read-modify-write stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// This value.
    Swap(u64),
    /// The second value, if it finds the first.
    CompareExchange(u64, u64),
    /// The sum, which wraps around.
    Add(u64),
    /// The bitwise "and".
    And(u64),
    /// The bitwise "or".
    Or(u64),
    /// The bitwise "exclusive or".
    Xor(u64),
    /// What it finds without one of the bits that are set, which is chosen. 0 stays 0.
    TakeBit,
}

impl Change {
    /// The value that is stored into a location of this many bits that holds `old`; `None` if a
    /// compare-exchange fails and stores nothing. `choice` is the number of the choice, from 0.
    #[must_use]
    pub fn apply(self, old: u64, bits: u32, choice: usize) -> Option<u64> {
        let new = match self {
            Change::Swap(new) => new,
            Change::CompareExchange(wanted, new) if wanted == old && choice == 0 => new,
            Change::CompareExchange(..) => return None,
            Change::Add(value) => old.wrapping_add(value),
            Change::And(value) => old & value,
            Change::Or(value) => old | value,
            Change::Xor(value) => old ^ value,
            Change::TakeBit => {
                let mut later = old;
                for _ in 0..choice {
                    later &= later.wrapping_sub(1);
                }
                old & !(later & later.wrapping_neg())
            }
        };
        Some(new & (u64::MAX >> (64 - bits)))
    }
}

/// An operation. `at` is the number of a location, `thread` that of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// An atomic load.
    #[allow(missing_docs)]
    Load {
        at: usize,
        order: Ordering,
        when: Guard,
    },
    /// An atomic store.
    #[allow(missing_docs)]
    Store {
        at: usize,
        value: u64,
        order: Ordering,
    },
    /// An atomic read-modify-write. A compare-exchange that fails is a load with the ordering
    /// `failure`. If `spurious`, a compare-exchange can fail although it finds the expected value,
    /// and an operation with a guard can go on although the guard says that it waits.
    #[allow(missing_docs)]
    Update {
        at: usize,
        change: Change,
        success: Ordering,
        failure: Ordering,
        when: Guard,
        spurious: bool,
    },
    /// A fence.
    #[allow(missing_docs)]
    Fence { order: Ordering },
    /// The start of a thread, which gets this number.
    #[allow(missing_docs)]
    Spawn { thread: usize },
    /// Waiting for the end of a thread.
    #[allow(missing_docs)]
    Join { thread: usize },
}

impl Op {
    /// The location that it reads or writes.
    #[must_use]
    pub fn location(&self) -> Option<usize> {
        match *self {
            Op::Load { at, .. } | Op::Store { at, .. } | Op::Update { at, .. } => Some(at),
            Op::Fence { .. } | Op::Spawn { .. } | Op::Join { .. } => None,
        }
    }

    /// Which values let it go on.
    #[must_use]
    pub fn guard(&self) -> Guard {
        match *self {
            Op::Load { when, .. } | Op::Update { when, .. } => when,
            _ => Guard::Always,
        }
    }

    /// How it can go on from a value that it finds: the numbers of its choices. With choice 0, nothing
    /// is spurious. There is no choice if it waits.
    pub(crate) fn choices(&self, found: u64) -> std::ops::Range<usize> {
        match *self {
            Op::Update { when, spurious, .. } if !when.lets(found) => 1..1 + usize::from(spurious),
            Op::Update {
                change: Change::CompareExchange(wanted, _),
                spurious: true,
                ..
            } if wanted == found => 0..2,
            Op::Update {
                change: Change::TakeBit,
                ..
            } => 0..found.count_ones().max(1) as usize,
            Op::Load { when, .. } if !when.lets(found) => 0..0,
            _ => 0..1,
        }
    }

    /// Whether it reads a location.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(self, Op::Load { .. } | Op::Update { .. })
    }
}

/// Whether an operation with this ordering acquires what a store released.
pub(crate) fn acquires(order: Ordering) -> bool {
    matches!(
        order,
        Ordering::Acquire | Ordering::AcqRel | Ordering::SeqCst
    )
}

/// Whether an operation with this ordering releases.
pub(crate) fn releases(order: Ordering) -> bool {
    matches!(
        order,
        Ordering::Release | Ordering::AcqRel | Ordering::SeqCst
    )
}
