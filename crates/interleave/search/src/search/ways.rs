//! The ways in which an execution could have gone on, forward and backward.

use super::Search;
use super::place::{place, reread, with_choice};
use crate::clocks::Clocks;
use crate::consistency::{atomic, coherent, sequential};
use crate::event::{EventId, Op};
use crate::graph::Graph;

impl Search {
    /// Adds an event in the default way, and notes all other ways.
    pub(super) fn add(&mut self, thread: usize, op: Op) -> EventId {
        let Some(at) = op.location() else {
            return self.add_without_choice(thread, op);
        };
        let newest = self.graph.locations[at].order.len();
        self.other_ways(thread, op, at, Some(newest));
        let id = place(&mut self.graph, thread, op, newest, 0);
        self.clocks.add(&self.graph, id);
        self.steps_back(id);
        id
    }

    pub(super) fn add_without_choice(&mut self, thread: usize, mut op: Op) -> EventId {
        if let Op::Spawn { thread: child } = &mut op {
            *child = self.graph.free_thread();
        }
        let id = self.graph.push(thread, op);
        if let Op::Spawn { thread: child } = op {
            let mut path = self.graph.threads[thread].path.clone();
            path.push(self.graph.place(id));
            let slot = &mut self.graph.threads[child];
            slot.path = path;
            slot.start = Some(id);
            slot.live = true;
        }
        self.clocks.add(&self.graph, id);
        id
    }

    /// No thread can go on. This operation could have come earlier, when it found another value; if
    /// not, it fails. False if it has failed already.
    pub(super) fn gives_up(&mut self, thread: usize, op: Op) -> bool {
        let slot = self.members[thread].thread;
        let op = self.translate(op);
        let Some(at) = op.location() else {
            return false;
        };
        let newest = self.graph.locations[at].order.len();
        let (from, found) = self.graph.store_at(at, newest);
        let last = self.graph.threads[slot].events.last();
        if last.is_some_and(|last| last.failed && last.from == from) {
            return false;
        }
        self.other_ways(slot, op, at, None);
        let id = self.graph.push(slot, op);
        let event = self.graph.event_mut(id);
        event.from = from;
        event.read = found;
        event.failed = true;
        self.clocks.add(&self.graph, id);
        true
    }

    /// Notes all ways in which the operation can be added, and all steps back from there; without
    /// `except`, which is the position of the default way.
    pub(super) fn other_ways(&mut self, thread: usize, op: Op, at: usize, except: Option<usize>) {
        let newest = self.graph.locations[at].order.len();
        for position in (self.oldest(thread, at)..=newest).rev() {
            let found = self.graph.store_at(at, position).1;
            for choice in op.choices(found) {
                if choice == 0 && except == Some(position) {
                    continue;
                }
                let rival = self.graph.successor(at, position);
                if rival.is_some() && !op.reads() {
                    continue;
                }
                let id = place(&mut self.graph, thread, op, position, choice);
                let before = self.clocks.add(&self.graph, id);
                self.note_way(id, rival.is_some());
                self.clocks.take_back(id, before);
                self.graph.take_back(id);
            }
        }
    }

    /// The oldest position of a location that the next event of a thread can read, or behind which it
    /// can store: nothing older than what happened before.
    fn oldest(&self, thread: usize, at: usize) -> usize {
        let (graph, clocks) = (&self.graph, &self.clocks);
        let slot = &graph.threads[thread];
        let last = match slot.events.len().checked_sub(1) {
            Some(index) => Some(EventId { thread, index }),
            None => slot.start,
        };
        let Some(last) = last else { return 0 };
        let known = graph
            .accesses(at)
            .filter(|id| *id == last || clocks.happens_before(*id, last));
        let positions = known.map(|id| match graph.event(id).written {
            Some(_) => graph.position(Some(id)),
            None => graph.position(graph.event(id).from),
        });
        positions.max().unwrap_or(0)
    }

    /// Notes one way of adding an event, which stands in the graph, and all steps back from it. It may
    /// have a rival: another read-modify-write that reads the same store.
    fn note_way(&mut self, id: EventId, has_rival: bool) {
        if has_rival && self.graph.event(id).written.is_some() {
            // Two read-modify-writes cannot read the same store, so the other one must give way: it
            // reads this one instead, or it goes away.
            self.steps_back(id);
            return;
        }
        if !coherent(&self.graph, &self.clocks, id) {
            return;
        }
        if self.graph.event(id).op.reads() {
            // Where a plain store stands is chosen after the step back.
            self.steps_back(id);
        }
        if sequential(&self.graph, &self.clocks) {
            self.note(self.graph.clone());
        }
    }

    /// Notes each way in which an earlier load reads the store `id` instead.
    fn steps_back(&mut self, id: EventId) {
        let event = self.graph.event(id);
        let (Some(at), Some(_)) = (event.location(), event.written) else {
            return;
        };
        let (graph, clocks) = (&self.graph, &self.clocks);
        // What was added after a reader goes away, and must be plain.
        let goes = |other: &EventId| *other != id && !clocks.needs(id, *other);
        let least = graph
            .ids()
            .filter(|other| goes(other) && !graph.event(*other).plain)
            .map(|other| graph.event(other).stamp)
            .max();
        let is_possible = |other: &EventId| {
            let event = graph.event(*other);
            event.op.reads() && event.plain && Some(event.stamp) > least
        };
        let readers: Vec<EventId> = graph
            .accesses(at)
            .filter(|other| goes(other) && is_possible(other))
            .collect();
        for reader in readers {
            self.step_back(id, reader);
        }
    }

    /// Notes the graph in which `reader`, which was there before, reads the new store `store`.
    fn step_back(&mut self, store: EventId, reader: EventId) {
        let (graph, clocks) = (&self.graph, &self.clocks);
        let old = graph.event(reader).clone();
        if clocks.needs(store, reader) || old.from == Some(store) {
            return;
        }
        let goes = |id: EventId| {
            id != store && graph.event(id).stamp > old.stamp && !clocks.needs(store, id)
        };
        let all_by_default = graph
            .ids()
            .filter(|id| *id == reader || goes(*id))
            .all(|id| is_by_default(graph, clocks, store, id));
        if !all_by_default {
            return;
        }
        let mut next = graph.clone();
        let lengths: Vec<usize> = (0..next.threads.len())
            .map(|thread| {
                let events = &next.threads[thread].events;
                let kept = (0..events.len()).find(|index| {
                    goes(EventId {
                        thread,
                        index: *index,
                    })
                });
                kept.unwrap_or(events.len())
            })
            .collect();
        next.keep(&lengths);
        let at = next
            .event(store)
            .location()
            .expect("a store has a location");
        if next.event(store).op.reads() {
            reread(&mut next, reader, store);
            self.note_if_consistent(next, store, reader, old.from, old.failed);
            return;
        }
        let value = next.event(store).written.expect("it is a store");
        next.withdraw(store);
        next.withdraw(reader);
        for position in (0..=next.locations[at].order.len()).rev() {
            if next.successor(at, position).is_none() {
                let mut next = next.clone();
                next.insert(at, position, store, value);
                reread(&mut next, reader, store);
                self.note_if_consistent(next, store, reader, old.from, old.failed);
            }
        }
    }

    /// Notes a graph in which `reader` reads `store` in place of the store `before`.
    fn note_if_consistent(
        &mut self,
        graph: Graph,
        store: EventId,
        reader: EventId,
        before: Option<EventId>,
        failed: bool,
    ) {
        let at = graph
            .event(store)
            .location()
            .expect("a store has a location");
        if !atomic(&graph, at) {
            return;
        }
        let is_older = graph.position(Some(store)) < graph.position(before);
        let is_useless = match (failed, graph.event(reader).failed) {
            // The next attempt finds the newer store anyway.
            (true, false) => !is_older,
            // An attempt that fails with an older store could as well not have been made.
            (false, true) => is_older,
            (was, fails) => was && fails,
        };
        let (op, found) = (graph.event(reader).op, graph.event(reader).read);
        let others = op
            .choices(found)
            // An attempt that fails is made again, and then has the same choices.
            .filter(|choice| *choice > 0 && (!failed || is_older));
        let others: Vec<Graph> = others
            .map(|choice| with_choice(&graph, reader, choice))
            .collect();
        let default = (!is_useless).then_some(graph);
        for graph in others.into_iter().chain(default) {
            let clocks = Clocks::of(&graph);
            if coherent(&graph, &clocks, store)
                && coherent(&graph, &clocks, reader)
                && sequential(&graph, &clocks)
            {
                self.note(graph);
            }
        }
    }

    fn note(&mut self, graph: Graph) {
        self.work.push(graph);
    }
}

/// Whether nothing that was there when an event was added speaks against the default way: a weaker
/// condition than `is_by_default`, which holds for whatever store a step back is taken.
pub(super) fn is_plain(graph: &Graph, id: EventId) -> bool {
    let event = graph.event(id);
    let (Some(at), false) = (event.location(), event.failed) else {
        return true;
    };
    let was_there = |other: EventId| other != id && graph.event(other).stamp < event.stamp;
    let place = match event.op.reads() {
        true => graph.position(event.from),
        false => graph.position(Some(id)),
    };
    let newer = &graph.locations[at].order[place.min(graph.locations[at].order.len())..];
    event.choice == 0
        && !newer.iter().any(|store| was_there(*store))
        && (event.written.is_none()
            || !graph
                .accesses(at)
                .any(|other| was_there(other) && reads_from(graph, other, id)))
}

/// Whether an event that goes away was added in the default way, as seen from the events that were
/// there before it and those that `store` needs: a load read the newest store, a store was the
/// newest, and nothing that stays has read it.
fn is_by_default(graph: &Graph, clocks: &Clocks, store: EventId, id: EventId) -> bool {
    let event = graph.event(id);
    let Some(at) = event.location() else {
        return true;
    };
    let was_there = |other: EventId| {
        other != store && (graph.event(other).stamp <= event.stamp || clocks.needs(store, other))
    };
    if event.written.is_some() {
        let read_by_what_stays = graph
            .accesses(at)
            .any(|other| other != id && was_there(other) && reads_from(graph, other, id));
        if read_by_what_stays {
            return false;
        }
    }
    if event.choice > 0 {
        return false;
    }
    if event.failed {
        return event.from.is_none_or(was_there);
    }
    let place = match event.op.reads() {
        true if !event.from.is_none_or(was_there) => return false,
        true => graph.position(event.from),
        false => graph.position(Some(id)),
    };
    graph.locations[at]
        .order
        .iter()
        .enumerate()
        .all(|(before, other)| before < place || *other == id || !was_there(*other))
}

fn reads_from(graph: &Graph, reader: EventId, store: EventId) -> bool {
    let event = graph.event(reader);
    event.op.reads() && event.from == Some(store)
}
