//! An execution as a graph: what each thread did, which store each load read, and in which order
//! the stores to one location took effect.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::clocks::{Clocks, MOST_THREADS};
use crate::consistency::happened_in_order;
use crate::event::{EventId, Op};

/// The store that a load read; `None` is the initial value.
pub type Source = Option<EventId>;

/// One event of an execution.
#[derive(Clone, Debug)]
pub struct Event {
    /// What it did.
    pub op: Op,
    /// The store that it read; `None` for the initial value.
    pub from: Source,
    /// The value that it read.
    pub read: u64,
    /// The value that it stored, if it stored one.
    pub written: Option<u64>,
    /// It found a value that does not let it go on. Its thread tries again in a later event.
    pub failed: bool,
    /// The number of the choice that it took, where it had one: which bit a
    /// [`Change::TakeBit`](crate::Change::TakeBit) took, or 1 if something spurious happened.
    pub choice: usize,
    /// What it read before a step back let it read another store, with which it fails.
    pub(crate) instead_of: Option<Source>,
    /// When the search added it.
    pub(crate) stamp: u64,
    /// For a store, its place in the modification order, from 0.
    pub(crate) rank: usize,
    /// Whether nothing that was there before it speaks against its having been added in the default
    /// way (see `is_plain`).
    pub(crate) plain: bool,
}

impl Event {
    pub(crate) fn location(&self) -> Option<usize> {
        self.op.location()
    }
}

/// A thread of an execution.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its name: the places of the events that started it and its ancestors, each in the order of
    /// its parent's program. The first thread has the empty name.
    pub path: Vec<usize>,
    /// The event that started it.
    pub(crate) start: Option<EventId>,
    /// Whether it has been started in this execution.
    pub(crate) live: bool,
    /// What it did.
    pub events: Vec<Event>,
}

/// A location of an execution.
#[derive(Clone, Debug)]
pub struct Location {
    /// The value before the first store.
    pub initial: u64,
    /// How many bits a value has.
    pub bits: u32,
    /// The modification order: the stores in the order in which they took effect.
    pub order: Vec<EventId>,
}

/// An execution, or the part of one that has been built so far.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The threads.
    pub threads: Vec<Thread>,
    /// The locations.
    pub locations: Vec<Location>,
    pub(crate) stamp: u64,
}

impl Graph {
    pub(crate) fn new() -> Self {
        Self {
            threads: vec![Thread {
                path: Vec::new(),
                start: None,
                live: true,
                events: Vec::new(),
            }],
            locations: Vec::new(),
            stamp: 0,
        }
    }

    /// An event.
    #[must_use]
    pub fn event(&self, id: EventId) -> &Event {
        &self.threads[id.thread].events[id.index]
    }

    pub(crate) fn event_mut(&mut self, id: EventId) -> &mut Event {
        &mut self.threads[id.thread].events[id.index]
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.threads.iter().map(|thread| thread.events.len()).sum()
    }

    /// All events, thread by thread.
    pub fn ids(&self) -> impl Iterator<Item = EventId> + '_ {
        let threads = self.threads.iter().enumerate();
        threads.flat_map(|(thread, slot)| {
            (0..slot.events.len()).map(move |index| EventId { thread, index })
        })
    }

    /// The next event of a thread, if everything that it needs has happened. `done` holds how many
    /// events of each thread have happened.
    pub(crate) fn next(&self, thread: usize, done: &[usize]) -> Option<EventId> {
        let happened = |id: EventId| done[id.thread] > id.index;
        let slot = &self.threads[thread];
        let index = done[thread];
        let event = slot.events.get(index)?;
        let is_possible = event.from.is_none_or(happened)
            && slot.start.is_none_or(happened)
            && match event.op {
                Op::Join { thread } => done[thread] == self.threads[thread].events.len(),
                _ => true,
            };
        is_possible.then_some(EventId { thread, index })
    }

    /// The events that read or write a location.
    pub(crate) fn accesses(&self, at: usize) -> impl Iterator<Item = EventId> + '_ {
        self.ids()
            .filter(move |id| self.event(*id).location() == Some(at))
    }

    /// How many stores of the modification order lie before this one, itself included: 0 for the
    /// initial value.
    pub(crate) fn position(&self, store: Option<EventId>) -> usize {
        store.map_or(0, |store| 1 + self.event(store).rank)
    }

    /// The store at a position, and its value.
    pub(crate) fn store_at(&self, at: usize, position: usize) -> (Option<EventId>, u64) {
        let location = &self.locations[at];
        match position.checked_sub(1) {
            None => (None, location.initial),
            Some(before) => {
                let id = location.order[before];
                let value = self
                    .event(id)
                    .written
                    .expect("what is in the order is a store");
                (Some(id), value)
            }
        }
    }

    /// The newest value of a location.
    pub(crate) fn newest(&self, at: usize) -> u64 {
        self.store_at(at, self.locations[at].order.len()).1
    }

    /// The read-modify-write that took this store's value away, if there is one.
    pub(crate) fn successor(&self, at: usize, position: usize) -> Option<EventId> {
        let next = *self.locations[at].order.get(position)?;
        let store = self.store_at(at, position).0;
        let event = self.event(next);
        (event.op.reads() && event.from == store).then_some(next)
    }

    /// The place of an event in its thread, attempts that failed left out.
    pub(crate) fn place(&self, id: EventId) -> usize {
        let earlier = &self.threads[id.thread].events[..id.index];
        earlier.iter().filter(|event| !event.failed).count()
    }

    /// Whether this execution can begin with that one: each event of `first` is there, reads the same
    /// store and takes the same choice, its stores take effect in the same order, and its `SeqCst`
    /// operations come in the order in which it performed them.
    #[must_use]
    pub fn begins_with(&self, first: &Graph) -> bool {
        let find = |id: EventId| {
            let path = &first.threads[id.thread].path;
            let mut threads = self.threads.iter();
            let thread = threads.position(|thread| thread.live && thread.path == *path)?;
            let place = first.place(id);
            let mut events = (0..self.threads[thread].events.len())
                .map(|index| EventId { thread, index })
                .filter(|id| !self.event(*id).failed);
            events.nth(place)
        };
        let is_there = |id: EventId| {
            let old = first.event(id);
            find(id).is_some_and(|here| {
                let new = self.event(here);
                let from = old.from.map(&find);
                let reads_the_same = match from {
                    None => new.from.is_none(),
                    Some(store) => store.is_some() && new.from == store,
                };
                (reads_the_same || !old.op.reads())
                    && old.choice == new.choice
                    && old.written.is_some() == new.written.is_some()
            })
        };
        let in_order = |location: &Location| {
            let places = location
                .order
                .iter()
                .map(|store| Some(self.position(Some(find(*store)?))));
            places
                .collect::<Option<Vec<usize>>>()
                .is_some_and(|places| places.is_sorted())
        };
        first
            .ids()
            .filter(|id| !first.event(*id).failed)
            .all(is_there)
            && first.locations.iter().all(in_order)
            && {
                let times: HashMap<EventId, u64> = first
                    .ids()
                    .filter_map(|id| Some((find(id)?, first.event(id).stamp)))
                    .collect();
                let clocks = Clocks::of(self);
                happened_in_order(self, &clocks, |id| times.get(&id).copied())
            }
    }

    /// A number for the execution, attempts that failed left out: the same for two graphs of the
    /// same execution, and with all but certainty another one for two executions.
    pub(crate) fn fingerprint(&self) -> (u64, u64) {
        // An event is known by the path of its thread and its place among the events that count.
        let name = |id: EventId| (self.threads[id.thread].path.as_slice(), self.place(id));
        let mut events: Vec<_> = self
            .ids()
            .filter(|id| !self.event(*id).failed)
            .map(|id| {
                let event = self.event(id);
                let position = event
                    .written
                    .and(event.location())
                    .map(|_| self.position(Some(id)));
                (name(id), event.from.map(name), position, event.choice)
            })
            .collect();
        events.sort_unstable();
        let hash = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, &events).hash(&mut hasher);
            hasher.finish()
        };
        (hash(0), hash(1))
    }

    /// Adds an event that reads and writes nothing yet.
    pub(crate) fn push(&mut self, thread: usize, op: Op) -> EventId {
        self.stamp += 1;
        let events = &mut self.threads[thread].events;
        events.push(Event {
            op,
            from: None,
            read: 0,
            written: None,
            failed: false,
            choice: 0,
            instead_of: None,
            stamp: self.stamp,
            rank: 0,
            plain: true,
        });
        EventId {
            thread,
            index: events.len() - 1,
        }
    }

    /// Puts a store at this position of the modification order.
    pub(crate) fn insert(&mut self, at: usize, position: usize, store: EventId, value: u64) {
        self.event_mut(store).written = Some(value);
        self.locations[at].order.insert(position, store);
        self.rank_from(at, position);
    }

    /// Numbers the stores to a location from this position on.
    fn rank_from(&mut self, at: usize, position: usize) {
        for rank in position..self.locations[at].order.len() {
            let store = self.locations[at].order[rank];
            self.event_mut(store).rank = rank;
        }
    }

    /// Takes a store out of the modification order.
    pub(crate) fn withdraw(&mut self, store: EventId) {
        let event = self.event_mut(store);
        if event.written.take().is_some() {
            let rank = event.rank;
            let at = event.location().expect("a store has a location");
            self.locations[at].order.remove(rank);
            self.rank_from(at, rank);
        }
    }

    /// Takes the event away that was added last.
    pub(crate) fn take_back(&mut self, id: EventId) {
        self.withdraw(id);
        self.threads[id.thread].events.pop();
        self.stamp -= 1;
    }

    /// Keeps so many events of each thread, and forgets the rest.
    pub(crate) fn keep(&mut self, lengths: &[usize]) {
        for (thread, length) in lengths.iter().enumerate() {
            while self.threads[thread].events.len() > *length {
                let index = self.threads[thread].events.len() - 1;
                self.withdraw(EventId { thread, index });
                let event = self.threads[thread].events.pop();
                if let Some(Op::Spawn { thread: child }) = event.map(|event| event.op) {
                    self.threads[child].live = false;
                }
            }
        }
    }

    /// A number for a new thread.
    pub(crate) fn free_thread(&mut self) -> usize {
        let free = self.threads.iter().position(|thread| !thread.live);
        free.unwrap_or_else(|| {
            assert!(
                self.threads.len() < MOST_THREADS,
                "an execution has at most {MOST_THREADS} threads"
            );
            self.threads.push(Thread {
                path: Vec::new(),
                start: None,
                live: false,
                events: Vec::new(),
            });
            self.threads.len() - 1
        })
    }
}
