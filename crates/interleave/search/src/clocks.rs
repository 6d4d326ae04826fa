//! What happens before what, as vector clocks.
//!
//! A clock says how many events of each thread lie before an event, itself included. There are two
//! kinds. The *prefix* follows the program order and the arrows from a store to its readers: it is
//! what had to happen for an event to exist. *Happens-before* follows only those arrows that
//! synchronize.

use crate::event::{Change, EventId, Op, acquires, releases};
use crate::graph::Graph;

/// The most threads that one execution may have.
pub const MOST_THREADS: usize = 28;

/// A count of events for each thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clock([u16; MOST_THREADS]);

impl Clock {
    fn join(&mut self, other: &Clock) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    fn holds(&self, id: EventId) -> bool {
        usize::from(self.0[id.thread]) > id.index
    }

    fn set(&mut self, thread: usize, count: usize) {
        self.0[thread] = u16::try_from(count).unwrap_or(u16::MAX);
    }

    /// How many events of a thread it counts.
    pub(crate) fn count(&self, thread: usize) -> usize {
        self.0[thread].into()
    }
}

/// The clocks of one event.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    prefix: Clock,
    before: Clock,
    /// What a reader of this store synchronizes with, if it acquires.
    carried: Clock,
}

/// What a thread has gathered so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Present {
    /// What a later acquire fence will synchronize with.
    pending: Clock,
    /// What happened before the last release fence.
    fenced: Clock,
}

/// The clocks of all events of a graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clocks {
    times: Vec<Vec<Times>>,
    present: Vec<Present>,
}

impl Clocks {
    /// The clocks of a whole graph.
    pub(crate) fn of(graph: &Graph) -> Self {
        let mut clocks = Clocks::default();
        let mut done = vec![0; graph.threads.len()];
        let mut is_new = true;
        while is_new {
            is_new = false;
            for thread in 0..graph.threads.len() {
                while let Some(id) = graph.next(thread, &done) {
                    clocks.add(graph, id);
                    done[thread] += 1;
                    is_new = true;
                }
            }
        }
        clocks
    }

    /// Adds an event whose predecessors are all there. Returns what [`Clocks::take_back`] needs.
    pub(crate) fn add(&mut self, graph: &Graph, id: EventId) -> Present {
        if self.times.len() < graph.threads.len() {
            self.times.resize_with(graph.threads.len(), Vec::new);
            self.present
                .resize_with(graph.threads.len(), Present::default);
        }
        let event = graph.event(id);
        let slot = &graph.threads[id.thread];
        let before = self.present[id.thread];
        let mut present = match id.index {
            // The number of the thread may have belonged to another one.
            0 => Present::default(),
            _ => before,
        };
        let mut times = Times::default();
        let earlier = match id.index {
            0 => slot.start,
            index => Some(EventId {
                index: index - 1,
                ..id
            }),
        };
        if let Some(earlier) = earlier {
            let earlier = self.times(earlier);
            times.prefix = earlier.prefix;
            times.before = earlier.before;
        }
        if let Some(from) = event.from {
            let store = self.times(from);
            times.prefix.join(&store.prefix);
            if event.failed {
                // An attempt that is made again is no part of the execution.
            } else if acquires(read_order(event.op, event.written.is_some())) {
                times.before.join(&store.carried);
            } else {
                present.pending.join(&store.carried);
            }
        }
        match event.op {
            Op::Join { thread } => {
                let last = graph.threads[thread].events.len().checked_sub(1);
                let last = match last {
                    Some(index) => Some(EventId { thread, index }),
                    None => graph.threads[thread].start,
                };
                if let Some(last) = last {
                    times.prefix.join(&self.times(last).prefix);
                    times.before.join(&self.times(last).before);
                }
                // Its end counts as an event, too: what it did after its last event lies before that.
                let end = graph.threads[thread].events.len() + 1;
                times.before.set(thread, end);
                times.prefix.set(thread, end);
            }
            Op::Fence { order } if acquires(order) => {
                times.before.join(&present.pending);
            }
            _ => {}
        }
        for clock in [&mut times.prefix, &mut times.before] {
            clock.set(id.thread, id.index + 1);
        }
        if event.written.is_some() {
            if releases(write_order(event.op)) {
                times.carried = times.before;
            } else {
                times.carried = present.fenced;
            }
            // A read-modify-write continues the release sequences of the store that it read.
            if let (true, Some(from)) = (event.op.reads(), event.from) {
                times.carried.join(&self.times(from).carried);
            }
        }
        if let Op::Fence { order } = event.op
            && releases(order)
        {
            present.fenced = times.before;
        }
        self.present[id.thread] = present;
        let events = &mut self.times[id.thread];
        events.truncate(id.index);
        events.push(times);
        before
    }

    /// Takes the event away that was added last, when its thread had gathered `before`.
    pub(crate) fn take_back(&mut self, id: EventId, before: Present) {
        self.times[id.thread].truncate(id.index);
        self.present[id.thread] = before;
    }

    fn times(&self, id: EventId) -> &Times {
        &self.times[id.thread][id.index]
    }

    /// Whether `first` happens before `second`.
    pub(crate) fn happens_before(&self, first: EventId, second: EventId) -> bool {
        first != second && self.times(second).before.holds(first)
    }

    /// Whether `second` could not exist without `first`, which is another event.
    pub(crate) fn needs(&self, second: EventId, first: EventId) -> bool {
        first != second && self.times(second).prefix.holds(first)
    }

    /// What an event could not exist without, itself included: a count for each thread.
    pub(crate) fn needed(&self, id: EventId) -> &Clock {
        &self.times(id).prefix
    }

    /// What happened before an event, itself included: a count for each thread.
    pub(crate) fn before(&self, id: EventId) -> &Clock {
        &self.times(id).before
    }
}

/// The ordering of the reading half.
fn read_order(op: Op, stores: bool) -> std::sync::atomic::Ordering {
    match op {
        Op::Load { order, .. } => order,
        Op::Update {
            failure,
            change: Change::CompareExchange(..),
            ..
        } if !stores => failure,
        Op::Update { success, .. } => success,
        _ => std::sync::atomic::Ordering::Relaxed,
    }
}

/// The ordering of the writing half.
fn write_order(op: Op) -> std::sync::atomic::Ordering {
    match op {
        Op::Store { order, .. } => order,
        Op::Update { success, .. } => success,
        _ => std::sync::atomic::Ordering::Relaxed,
    }
}

/// Whether the operation takes part in the total order of `SeqCst`.
pub(crate) fn is_seq_cst(op: Op, stores: bool) -> bool {
    use std::sync::atomic::Ordering::SeqCst;
    match op {
        Op::Load { order, .. } | Op::Store { order, .. } | Op::Fence { order } => order == SeqCst,
        Op::Update { success, .. } if stores => success == SeqCst,
        Op::Update { failure, .. } => failure == SeqCst,
        Op::Spawn { .. } | Op::Join { .. } => false,
    }
}
