//! What happens before what, as vector clocks.
//!
//! A clock says how many events of each thread lie before an event, itself included. There are two
//! kinds. The *prefix* follows the program order and the arrows from a store to its readers: it is
//! what had to happen for an event to exist. *Happens-before* follows only those arrows that
//! synchronize.

use crate::event::{EventId, Op, acquires, releases};
use crate::graph::Graph;

pub(crate) type Clock = Vec<u32>;

/// The clocks of one event.
#[derive(Clone, Debug, Default)]
struct Times {
    prefix: Clock,
    before: Clock,
    /// What a reader of this store synchronizes with, if it acquires.
    carried: Clock,
}

/// What a thread has gathered so far.
#[derive(Clone, Debug, Default)]
struct Present {
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

fn join(clock: &mut Clock, other: &[u32]) {
    if clock.len() < other.len() {
        clock.resize(other.len(), 0);
    }
    for (mine, theirs) in clock.iter_mut().zip(other) {
        *mine = (*mine).max(*theirs);
    }
}

fn holds(clock: &[u32], id: EventId) -> bool {
    clock
        .get(id.thread)
        .is_some_and(|count| *count as usize > id.index)
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

    /// Adds an event whose predecessors are all there.
    pub(crate) fn add(&mut self, graph: &Graph, id: EventId) {
        if self.times.len() < graph.threads.len() {
            self.times.resize_with(graph.threads.len(), Vec::new);
            self.present
                .resize_with(graph.threads.len(), Present::default);
        }
        let event = graph.event(id);
        let slot = &graph.threads[id.thread];
        let mut present = match id.index {
            // The number of the thread may have belonged to another one.
            0 => Present::default(),
            _ => std::mem::take(&mut self.present[id.thread]),
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
            times.prefix.clone_from(&earlier.prefix);
            times.before.clone_from(&earlier.before);
        }
        if let Some(from) = event.from {
            let store = self.times(from);
            join(&mut times.prefix, &store.prefix);
            if event.failed {
                // An attempt that is made again is no part of the execution.
            } else if acquires(read_order(event.op, event.written.is_some())) {
                join(&mut times.before, &store.carried);
            } else {
                join(&mut present.pending, &store.carried);
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
                    join(&mut times.prefix, &self.times(last).prefix);
                    join(&mut times.before, &self.times(last).before);
                }
                // Its end counts as an event, too: what it did after its last event lies before that.
                let end = graph.threads[thread].events.len() + 1;
                if times.before.len() <= thread {
                    times.before.resize(thread + 1, 0);
                }
                times.before[thread] = u32::try_from(end).unwrap_or(u32::MAX);
            }
            Op::Fence { order } if acquires(order) => {
                join(&mut times.before, &present.pending);
            }
            _ => {}
        }
        for clock in [&mut times.prefix, &mut times.before] {
            if clock.len() <= id.thread {
                clock.resize(id.thread + 1, 0);
            }
            clock[id.thread] = u32::try_from(id.index + 1).unwrap_or(u32::MAX);
        }
        if event.written.is_some() {
            if releases(write_order(event.op)) {
                times.carried.clone_from(&times.before);
            } else {
                times.carried.clone_from(&present.fenced);
            }
            // A read-modify-write continues the release sequences of the store that it read.
            if let (true, Some(from)) = (event.op.reads(), event.from) {
                let carried = self.times(from).carried.clone();
                join(&mut times.carried, &carried);
            }
        }
        if let Op::Fence { order } = event.op
            && releases(order)
        {
            present.fenced.clone_from(&times.before);
        }
        self.present[id.thread] = present;
        let events = &mut self.times[id.thread];
        events.truncate(id.index);
        events.push(times);
    }

    fn times(&self, id: EventId) -> &Times {
        &self.times[id.thread][id.index]
    }

    /// Whether `first` happens before `second`.
    pub(crate) fn happens_before(&self, first: EventId, second: EventId) -> bool {
        first != second && holds(&self.times(second).before, first)
    }

    /// Whether `second` could not exist without `first`, which is another event.
    pub(crate) fn needs(&self, second: EventId, first: EventId) -> bool {
        first != second && holds(&self.times(second).prefix, first)
    }

    /// What happened before an event, itself included: a count for each thread.
    pub(crate) fn before(&self, id: EventId) -> &[u32] {
        &self.times(id).before
    }
}

/// The ordering of the reading half.
fn read_order(op: Op, stores: bool) -> std::sync::atomic::Ordering {
    match op {
        Op::Load { order, .. } => order,
        Op::Update { success, .. } if stores => success,
        Op::Update { failure, .. } => failure,
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
