//! Graphs that wait to be run, the most ordinary first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::event::EventId;
use crate::graph::Graph;
use crate::order;

/// How many events the graphs that wait may have together. An event takes about 200 bytes.
const MOST_EVENTS: usize = 400_000;

/// Graphs that wait to be run. The most ordinary comes first, and among equals the latest one: its
/// parts are still in the caches, and fewer graphs wait.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// By [`oddity`], and by how many were noted before it.
    waiting: BTreeMap<(usize, Reverse<u64>), Graph>,
    noted: u64,
    events: usize,
    most: usize,
    given_up: u64,
}

impl Queue {
    pub(super) fn new(first: Graph) -> Self {
        let mut queue = Self {
            waiting: BTreeMap::new(),
            noted: 0,
            events: 0,
            most: 0,
            given_up: 0,
        };
        queue.push(first);
        queue
    }

    pub(super) fn push(&mut self, graph: Graph) {
        self.noted += 1;
        self.events += graph.len();
        self.waiting
            .insert((oddity(&graph), Reverse(self.noted)), graph);
        while self.events > MOST_EVENTS
            && let Some((_, oddest)) = self.waiting.pop_last()
        {
            self.events -= oddest.len();
            self.given_up += 1;
        }
        self.most = self.most.max(self.waiting.len());
    }

    pub(super) fn pop(&mut self) -> Option<Graph> {
        let (_, graph) = self.waiting.pop_first()?;
        self.events -= graph.len();
        Some(graph)
    }

    pub(super) fn least_oddity(&self) -> Option<usize> {
        self.waiting.keys().next().map(|(oddity, _)| *oddity)
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    pub(super) fn given_up(&self) -> u64 {
        self.given_up
    }
}

/// How much in an execution is not as one expects: how often a thread is interrupted, how many loads
/// read an old store, how many stores do not become the newest, how much happens for no reason.
pub(super) fn oddity(graph: &Graph) -> usize {
    let mut done = vec![0_usize; graph.threads.len()];
    // The newest store of each location that has been performed, as a position.
    let mut newest = vec![0_usize; graph.locations.len()];
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
        if let Some(at) = event.location() {
            let place = match event.op.reads() {
                true => graph.position(event.from),
                false => graph.position(Some(id)),
            };
            odd += usize::from(place < newest[at]);
            if event.written.is_some() {
                newest[at] = newest[at].max(graph.position(Some(id)));
            }
        }
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
            true => graph.position(event.from),
            false => graph.position(Some(id)),
        };
        let newer = graph.locations[at].order[place..].iter();
        let has_happened = |store: &&EventId| {
            done.get(store.thread)
                .is_some_and(|done| *done > store.index)
        };
        newer.filter(has_happened).count()
    })
}
