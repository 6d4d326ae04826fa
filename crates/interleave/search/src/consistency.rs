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
            clocks.happens_before(first, second) && comes_before(graph, second, first)
        };
        other == id || !(against(id, other) || against(other, id))
    })
}

/// Whether each read-modify-write of a location directly follows the store that it read.
pub(crate) fn atomic(graph: &Graph, at: usize) -> bool {
    let order = &graph.locations[at].order;
    order.iter().enumerate().all(|(position, id)| {
        let event = graph.event(*id);
        !event.op.reads() || graph.position(event.from) == position
    })
}

/// The order in which the accesses to one location take effect: a store before its readers and
/// before later stores, a reader before the stores that come after what it read.
fn comes_before(graph: &Graph, first: EventId, second: EventId) -> bool {
    first != second && place_of(graph, first) < place_of(graph, second)
}

/// Whether there is a total order of the `SeqCst` events that agrees with everything that one could
/// observe: condition "psc is acyclic" of RC11.
pub(crate) fn sequential(graph: &Graph, clocks: &Clocks) -> bool {
    let (events, edges) = sequential_order(graph, clocks);
    events.len() < 2 || acyclic(&edges)
}

/// Whether the `SeqCst` events happened in an order that agrees with everything that one could
/// observe. `when` says when an event happened; `None` is later than all others.
pub(crate) fn happened_in_order(
    graph: &Graph,
    clocks: &Clocks,
    when: impl Fn(EventId) -> Option<u64>,
) -> bool {
    let (events, edges) = sequential_order(graph, clocks);
    let times: Vec<u64> = events
        .iter()
        .map(|id| when(*id).unwrap_or(u64::MAX))
        .collect();
    edges.iter().zip(&times).all(|(after, first)| {
        let mut pairs = after.iter().zip(&times);
        pairs.all(|(follows, then)| !follows || *then == u64::MAX || first < then)
    })
}

/// The `SeqCst` events, and which must come before which: RC11's relation "psc", with C++20's
/// strongly-happens-before.
fn sequential_order(graph: &Graph, clocks: &Clocks) -> (Vec<EventId>, Vec<Vec<bool>>) {
    let events: Vec<EventId> = graph
        .ids()
        .filter(|id| {
            let event = graph.event(*id);
            !event.failed && is_seq_cst(event.op, event.written.is_some())
        })
        .collect();
    if events.len() < 2 {
        let none = vec![vec![false]; events.len()];
        return (events, none);
    }
    let around: Vec<Option<Around>> = events
        .iter()
        .map(|id| Around::of(graph, clocks, *id))
        .collect();
    let follows = |one: usize, other: usize| {
        let (first, second) = (events[one], events[other]);
        match (&around[one], &around[other]) {
            (None, None) => leads(graph, clocks, first, second),
            // Where one of the two is a fence, each path of happens-before counts.
            _ if clocks.happens_before(first, second) => true,
            (Some(after), Some(before)) => {
                let mut pairs = after.after.iter().zip(&before.before);
                pairs.any(|(after, before)| after < before)
            }
            (None, Some(before)) => graph
                .event(first)
                .location()
                .is_some_and(|at| place_of(graph, first) < before.stores_before[at]),
            (Some(after), None) => {
                let event = graph.event(second);
                let at = event.location().filter(|_| event.written.is_some());
                at.is_some_and(|at| after.after[at] < place_of(graph, second))
            }
        }
    };
    let edges: Vec<Vec<bool>> = (0..events.len())
        .map(|one| {
            (0..events.len())
                .map(|other| one != other && follows(one, other))
                .collect()
        })
        .collect();
    (events, edges)
}

/// What lies around a fence, for each location: the first access after it, and the last access and
/// the last store before it, in the order in which accesses to the location take effect.
struct Around {
    after: Vec<usize>,
    before: Vec<usize>,
    stores_before: Vec<usize>,
}

impl Around {
    /// `None` if the event is no fence.
    fn of(graph: &Graph, clocks: &Clocks, fence: EventId) -> Option<Self> {
        if !matches!(graph.event(fence).op, Op::Fence { .. }) {
            return None;
        }
        let locations = graph.locations.len();
        let mut around = Self {
            after: vec![usize::MAX; locations],
            before: vec![0; locations],
            stores_before: vec![0; locations],
        };
        for id in graph.ids() {
            let event = graph.event(id);
            let Some(at) = event.location().filter(|_| !event.failed) else {
                continue;
            };
            if clocks.happens_before(fence, id) {
                around.after[at] = around.after[at].min(place_of(graph, id));
            } else if clocks.happens_before(id, fence) {
                let place = place_of(graph, id);
                around.before[at] = around.before[at].max(place);
                if event.written.is_some() {
                    around.stores_before[at] = around.stores_before[at].max(place);
                }
            }
        }
        Some(around)
    }
}

/// A number for the place of an access in the order in which accesses to one location take effect: a
/// store before its readers, and those before the next store.
fn place_of(graph: &Graph, id: EventId) -> usize {
    match graph.event(id).written {
        Some(_) => 2 * graph.position(Some(id)),
        None => 2 * graph.position(graph.event(id).from) + 1,
    }
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
        && (clocks.happens_before(first, second) || modifies_after(graph, first, second))
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
fn modifies_after(graph: &Graph, first: EventId, second: EventId) -> bool {
    graph.event(second).written.is_some() && comes_before(graph, first, second)
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
