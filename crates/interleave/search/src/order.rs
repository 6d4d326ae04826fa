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
    let mut telling = Telling::of(graph);
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
        telling.tell(id);
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
    /// For each location and each position in its modification order, how many accesses at that
    /// position have not been told, and the first position with any.
    untold: Vec<(Vec<usize>, usize)>,
}

impl<'a> Telling<'a> {
    fn of(graph: &'a Graph) -> Self {
        let locations = graph.locations.iter();
        let mut telling = Self {
            graph,
            done: vec![0; graph.threads.len()],
            untold: locations
                .map(|location| (vec![0; location.order.len() + 1], 0))
                .collect(),
        };
        for id in graph.ids() {
            if let Some((at, position)) = telling.place(id) {
                telling.untold[at].0[position] += 1;
            }
        }
        for at in 0..telling.untold.len() {
            telling.go_forward(at);
        }
        telling
    }

    /// The location and the position of an access that did not fail: that of its own store, or of the
    /// one that it reads.
    fn place(&self, id: EventId) -> Option<(usize, usize)> {
        let event = self.graph.event(id);
        let at = event.location().filter(|_| !event.failed)?;
        let store = match event.written {
            Some(_) => Some(id),
            None => event.from,
        };
        Some((at, self.graph.position(store)))
    }

    fn tell(&mut self, id: EventId) {
        self.done[id.thread] += 1;
        if let Some((at, position)) = self.place(id) {
            self.untold[at].0[position] -= 1;
            self.go_forward(at);
        }
    }

    fn go_forward(&mut self, at: usize) {
        let (counts, first) = &mut self.untold[at];
        while counts.get(*first) == Some(&0) {
            *first += 1;
        }
    }

    /// Whether the event is a store, and an older store to its location has not been told, or an
    /// event that reads an older store.
    fn is_early(&self, id: EventId) -> bool {
        let place = self.place(id);
        place.is_some_and(|(at, position)| {
            self.graph.event(id).written.is_some() && self.untold[at].1 < position
        })
    }
}
