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
    /// An atomic load.
    #[must_use]
    pub const fn load(at: usize, order: Ordering) -> Self {
        Op::Load {
            at,
            order,
            when: Guard::Always,
        }
    }

    /// An atomic store.
    #[must_use]
    pub const fn store(at: usize, value: u64, order: Ordering) -> Self {
        Op::Store { at, value, order }
    }

    /// An atomic read-modify-write.
    #[must_use]
    pub const fn update(at: usize, change: Change, order: Ordering) -> Self {
        Op::Update {
            at,
            change,
            success: order,
            failure: Ordering::Relaxed,
            when: Guard::Always,
            spurious: false,
        }
    }

    /// The same load or read-modify-write, which waits for a value that the guard lets through.
    #[must_use]
    pub const fn when(mut self, guard: Guard) -> Self {
        if let Op::Load { when, .. } | Op::Update { when, .. } = &mut self {
            *when = guard;
        }
        self
    }

    /// The same compare-exchange, with this ordering if it fails.
    #[must_use]
    pub const fn or_else(mut self, order: Ordering) -> Self {
        if let Op::Update { failure, .. } = &mut self {
            *failure = order;
        }
        self
    }

    /// The same read-modify-write. If `is_spurious`, it can fail or go on for no reason.
    #[must_use]
    pub const fn spuriously(mut self, is_spurious: bool) -> Self {
        if let Op::Update { spurious, .. } = &mut self {
            *spurious = is_spurious;
        }
        self
    }

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

    /// Whether this is the same operation, but for addresses: memory may be somewhere else when the
    /// program runs again.
    pub(crate) fn is_like(&self, other: &Op) -> bool {
        // No page below this address is ever mapped (mmap_min_addr is at least one page).
        const LEAST_ADDRESS: u64 = 0x1_0000;
        let mut renamed = *self;
        let rename = |mine: &mut u64, theirs: u64| {
            if *mine >= LEAST_ADDRESS && theirs >= LEAST_ADDRESS {
                *mine = theirs;
            }
        };
        match (&mut renamed, other) {
            (Op::Store { value, .. }, Op::Store { value: theirs, .. }) => rename(value, *theirs),
            (
                Op::Update { change, when, .. },
                Op::Update {
                    change: changed,
                    when: waited,
                    ..
                },
            ) => {
                match (change, *changed) {
                    (Change::Swap(new), Change::Swap(theirs))
                    | (Change::Add(new), Change::Add(theirs))
                    | (Change::And(new), Change::And(theirs))
                    | (Change::Or(new), Change::Or(theirs))
                    | (Change::Xor(new), Change::Xor(theirs)) => rename(new, theirs),
                    (Change::CompareExchange(old, new), Change::CompareExchange(was, becomes)) => {
                        rename(old, was);
                        rename(new, becomes);
                    }
                    _ => {}
                }
                rename_guard(when, *waited, rename);
            }
            (Op::Load { when, .. }, Op::Load { when: waited, .. }) => {
                rename_guard(when, *waited, rename);
            }
            _ => {}
        }
        renamed == *other
    }

    /// The value that it stores into a location of this many bits in which it finds `found`. `choice`
    /// is the number of its choice.
    #[must_use]
    pub fn stores(&self, found: u64, bits: u32, choice: usize) -> Option<u64> {
        match *self {
            Op::Store { value, .. } => Some(value),
            Op::Update { change, .. } => change.apply(found, bits, choice),
            _ => None,
        }
    }

    /// Whether it reads a location.
    #[must_use]
    pub fn reads(&self) -> bool {
        matches!(self, Op::Load { .. } | Op::Update { .. })
    }
}

fn rename_guard(mine: &mut Guard, theirs: Guard, rename: impl Fn(&mut u64, u64)) {
    if let (Guard::Differs(known), Guard::Differs(was))
    | (Guard::Equals(known), Guard::Equals(was)) = (mine, theirs)
    {
        rename(known, was);
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
