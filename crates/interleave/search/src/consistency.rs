//! Which graphs the memory model allows.
//!
//! The model is RC11 ("Repairing Sequential Consistency in C/C++11", Lahav and others, 2017) with
//! two changes of C++20: a release sequence is a store and the read-modify-writes that follow it,
//! and the order of `SeqCst` respects *strongly happens before* (P0668R5). In RC11 no store is read
//! before its own causes, so there is no load buffering. The search never builds such a graph.

use crate::clocks::{Clocks, is_seq_cst};
use crate::event::{EventId, Op};
use crate::graph::Graph;

/// Whether one location looks coherent from everywhere: nothing that happens before `id` comes
/// after it in the order of the location, and nothing that happens after it comes before.
pub(crate) fn coherent(graph: &Graph, clocks: &Clocks, id: EventId) -> bool {
    let Some(at) = graph.event(id).location() else {
        return true;
    };
    graph.accesses(at).all(|other| {
        let against = |first, second| {
            clocks.happens_before(first, second) && comes_before(graph, at, second, first)
        };
        other == id || !(against(id, other) || against(other, id))
    })
}

/// Whether each read-modify-write of a location directly follows the store that it read.
pub(crate) fn atomic(graph: &Graph, at: usize) -> bool {
    let order = &graph.locations[at].order;
    order.iter().enumerate().all(|(position, id)| {
        let event = graph.event(*id);
        !event.op.reads() || graph.position(at, event.from) == position
    })
}

/// The order in which the accesses to one location take effect: a store before its readers and
/// before later stores, a reader before the stores that come after what it read.
fn comes_before(graph: &Graph, at: usize, first: EventId, second: EventId) -> bool {
    if first == second {
        return false;
    }
    let place = |id: EventId| match graph.event(id).written {
        Some(_) => graph.position(at, Some(id)),
        None => graph.position(at, graph.event(id).from),
    };
    let is_store = |id: EventId| graph.event(id).written.is_some();
    let (mine, theirs) = (place(first), place(second));
    mine < theirs || (mine == theirs && is_store(first) && !is_store(second))
}

/// Whether there is a total order of the `SeqCst` events that agrees with everything that one could
/// observe: condition "psc is acyclic" of RC11.
pub(crate) fn sequential(graph: &Graph, clocks: &Clocks) -> bool {
    let events: Vec<EventId> = graph
        .ids()
        .filter(|id| {
            let event = graph.event(*id);
            !event.failed && is_seq_cst(event.op, event.written.is_some())
        })
        .collect();
    if events.len() < 2 {
        return true;
    }
    let all: Vec<EventId> = graph.ids().filter(|id| !graph.event(*id).failed).collect();
    let is_fence = |id: EventId| matches!(graph.event(id).op, Op::Fence { .. });
    // What stands for an event: itself, and for a fence also what happens before or after it.
    let or_after = |id: EventId| {
        let rest = all
            .iter()
            .filter(move |other| is_fence(id) && clocks.happens_before(id, **other));
        std::iter::once(id).chain(rest.copied())
    };
    let or_before = |id: EventId| {
        let rest = all
            .iter()
            .filter(move |other| is_fence(id) && clocks.happens_before(**other, id));
        std::iter::once(id).chain(rest.copied())
    };
    let follows = |first: EventId, second: EventId| {
        or_after(first).any(|a| or_before(second).any(|b| leads(graph, clocks, a, b)))
            || (is_fence(first) && is_fence(second) && {
                clocks.happens_before(first, second)
                    || or_after(first).skip(1).any(|a| {
                        let at = graph.event(a).location();
                        or_before(second).skip(1).any(|b| {
                            at.is_some()
                                && at == graph.event(b).location()
                                && comes_before(graph, at.unwrap_or(0), a, b)
                        })
                    })
            })
    };
    let edges: Vec<Vec<bool>> = events
        .iter()
        .map(|a| events.iter().map(|b| a != b && follows(*a, *b)).collect())
        .collect();
    acyclic(&edges)
}

/// RC11's relation "scb", with C++20's strongly-happens-before.
fn leads(graph: &Graph, clocks: &Clocks, first: EventId, second: EventId) -> bool {
    if first == second {
        return false;
    }
    if first.thread == second.thread && first.index < second.index {
        return true;
    }
    if later_part(graph, first).any(|after| {
        earlier_part(graph, second)
            .any(|before| after == before || clocks.happens_before(after, before))
    }) {
        return true;
    }
    let (Some(at), there) = (
        graph.event(first).location(),
        graph.event(second).location(),
    ) else {
        return false;
    };
    Some(at) == there
        && (clocks.happens_before(first, second) || modifies_after(graph, at, first, second))
}

/// What directly follows an event in its thread. After the last one comes the end of the thread,
/// which the threads that join it see.
fn later_part(graph: &Graph, id: EventId) -> impl Iterator<Item = EventId> {
    let next = EventId {
        index: id.index + 1,
        ..id
    };
    let has_next = next.index < graph.threads[id.thread].events.len();
    let joins = graph
        .ids()
        .filter(move |other| !has_next && graph.event(*other).op == Op::Join { thread: id.thread });
    has_next.then_some(next).into_iter().chain(joins)
}

/// What directly comes before an event in its thread, or the event that started its thread.
fn earlier_part(graph: &Graph, id: EventId) -> impl Iterator<Item = EventId> {
    let earlier = match id.index.checked_sub(1) {
        Some(index) => Some(EventId { index, ..id }),
        None => graph.threads[id.thread].start,
    };
    earlier.into_iter()
}

/// Whether `second` is a store that takes effect after the store `first`, or after the store that
/// `first` read.
fn modifies_after(graph: &Graph, at: usize, first: EventId, second: EventId) -> bool {
    graph.event(second).written.is_some() && comes_before(graph, at, first, second)
}

fn acyclic(edges: &[Vec<bool>]) -> bool {
    // Takes away events that nothing comes before, until none is left.
    let mut left: Vec<usize> = (0..edges.len()).collect();
    while !left.is_empty() {
        let first = left
            .iter()
            .position(|event| left.iter().all(|other| !edges[*other][*event]));
        match first {
            Some(first) => left.swap_remove(first),
            None => return false,
        };
    }
    true
}
