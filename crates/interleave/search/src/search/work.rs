//! Graphs that wait to be run, the most ordinary first.

use std::cmp::{Ordering, Reverse};

use crate::event::EventId;
use crate::graph::Graph;
use crate::order;

/// A graph that waits to be run.
#[derive(Clone, Debug)]
pub(super) struct Work {
    /// See [`oddity`].
    pub(super) oddity: usize,
    /// How many were noted before it.
    pub(super) number: u64,
    pub(super) graph: Graph,
}

impl Work {
    /// The most ordinary graph comes first, and among equals the latest one: its parts are still in
    /// the caches, and fewer graphs wait.
    fn rank(&self) -> (Reverse<usize>, u64) {
        (Reverse(self.oddity), self.number)
    }
}

impl PartialEq for Work {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Work {}

impl PartialOrd for Work {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Work {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// How much in an execution is not as one expects: how often a thread is interrupted, how many loads
/// read an old store, how many stores do not become the newest, how much happens for no reason.
pub(super) fn oddity(graph: &Graph) -> usize {
    let mut done = vec![0_usize; graph.threads.len()];
    let mut odd = 0;
    let mut running: Option<usize> = None;
    for id in order::told(graph) {
        odd += match running {
            Some(thread) if thread != id.thread => {
                usize::from(done[thread] < graph.threads[thread].events.len())
            }
            _ => 0,
        };
        running = Some(id.thread);
        let event = graph.event(id);
        odd += usize::from(event.choice > 0);
        odd += usize::from(newer_stores(graph, id, &done) > 0);
        done[id.thread] = id.index + 1;
    }
    odd
}

/// How many stores that have been performed are newer than the one that an event reads, or behind
/// which it stores. `done` holds how many events of each thread have been performed.
pub(super) fn newer_stores(graph: &Graph, id: EventId, done: &[usize]) -> usize {
    let event = graph.event(id);
    event.location().map_or(0, |at| {
        let place = match event.op.reads() {
            true => graph.position(at, event.from),
            false => graph.position(at, Some(id)),
        };
        let newer = graph.locations[at].order[place..].iter();
        let has_happened = |store: &&EventId| {
            done.get(store.thread)
                .is_some_and(|done| *done > store.index)
        };
        newer.filter(has_happened).count()
    })
}
