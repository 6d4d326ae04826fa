//! An order in which the events of an execution can be told.
//!
//! An execution has many orders: each that lets no event come before what it needs. The one that is
//! told should be easy to follow. If there is an order in which every load reads the newest store and
//! every store becomes the newest, such an order is taken; otherwise one with few exceptions. A
//! thread goes on as long as it can.

use crate::event::EventId;
use crate::graph::Graph;

/// The events of a graph in an order that is easy to follow.
pub(crate) fn told(graph: &Graph) -> Vec<EventId> {
    let mut turns: Vec<usize> = (0..graph.threads.len()).collect();
    turns.sort_by(|one, other| graph.threads[*one].path.cmp(&graph.threads[*other].path));
    let mut telling = Telling {
        graph,
        done: vec![0; graph.threads.len()],
    };
    let mut order = Vec::new();
    let mut running = None;
    loop {
        let first = running.into_iter().chain(turns.iter().copied());
        let possible: Vec<EventId> = first
            .filter_map(|thread| graph.next(thread, &telling.done))
            .collect();
        let ordinary = possible.iter().find(|id| !telling.is_early(**id));
        let Some(id) = ordinary.or(possible.first()).copied() else {
            break;
        };
        telling.done[id.thread] += 1;
        order.push(id);
        running = Some(id.thread);
    }
    debug_assert_eq!(order.len(), graph.ids().count(), "the graph has a circle");
    order
}

struct Telling<'a> {
    graph: &'a Graph,
    /// How many events of each thread have been told.
    done: Vec<usize>,
}

impl Telling<'_> {
    fn has_happened(&self, id: EventId) -> bool {
        self.done[id.thread] > id.index
    }

    /// Whether the event is a store, and an older store to its location has not been told, or an
    /// event that reads an older store.
    fn is_early(&self, id: EventId) -> bool {
        let event = self.graph.event(id);
        let (Some(at), true) = (event.location(), event.written.is_some()) else {
            return false;
        };
        let place = self.graph.position(at, Some(id));
        self.graph.accesses(at).any(|other| {
            let theirs = self.graph.event(other);
            let position = match theirs.written {
                Some(_) => self.graph.position(at, Some(other)),
                None => self.graph.position(at, theirs.from),
            };
            other != id && !theirs.failed && position < place && !self.has_happened(other)
        })
    }
}
