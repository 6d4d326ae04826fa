//! Puts an access into a graph: what it reads, and what it stores where.

use crate::event::{EventId, Op};
use crate::graph::Graph;

/// Adds an operation that reads the store at this position, or stores right behind it.
pub(super) fn place(
    graph: &mut Graph,
    thread: usize,
    op: Op,
    position: usize,
    choice: usize,
) -> EventId {
    let at = op.location().expect("only an access has a place");
    let (from, found) = graph.store_at(at, position);
    let id = graph.push(thread, op);
    if op.reads() {
        let event = graph.event_mut(id);
        event.from = from;
        event.read = found;
        event.choice = choice;
    }
    if let Some(value) = op.stores(found, graph.locations[at].bits, choice) {
        graph.insert(at, position, id, value);
    }
    id
}

/// Lets an event read another store, and store what follows from that.
pub(super) fn reread(graph: &mut Graph, reader: EventId, store: EventId) {
    graph.withdraw(reader);
    let found = graph.event(store).written.expect("it is a store");
    let op = graph.event(reader).op;
    let event = graph.event_mut(reader);
    let before = event.from;
    event.from = Some(store);
    event.read = found;
    let fails = !op.guard().lets(found);
    event.instead_of = (fails && !event.failed).then_some(before);
    event.failed = fails;
    if !fails {
        store_choice(graph, reader, 0);
    }
}

/// The graph in which a reader takes another choice.
pub(super) fn with_choice(graph: &Graph, reader: EventId, choice: usize) -> Graph {
    let mut graph = graph.clone();
    graph.withdraw(reader);
    let event = graph.event_mut(reader);
    event.failed = false;
    event.instead_of = None;
    event.choice = choice;
    store_choice(&mut graph, reader, choice);
    graph
}

/// Stores what follows from the value that an event has read, behind the store that it read.
fn store_choice(graph: &mut Graph, id: EventId, choice: usize) {
    let event = graph.event(id);
    let (Op::Update { at, .. }, from) = (event.op, event.from) else {
        return;
    };
    if let Some(value) = event
        .op
        .stores(event.read, graph.locations[at].bits, choice)
    {
        let position = graph.position(from);
        graph.insert(at, position, id, value);
    }
}
