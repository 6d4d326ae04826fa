//! Visits each execution once.
//!
//! The method is that of TruSt ("Truly Stateless, Optimal Dynamic Partial Order Reduction",
//! Kokologiannakis and others, POPL 2022). A piece of work is a graph. The program runs from its
//! start along this graph, and then goes on by itself: a load reads the newest store, a store
//! becomes the newest. Each other choice is a new piece of work:
//!
//! - *forward*: the new load reads an older store, or the new store takes an earlier place in the
//!   modification order;
//! - *backward*: a load that was there before reads the new store. What was added after this load
//!   goes away, except what the new store needs.
//!
//! Two different ways would lead to the same graph. A backward step is therefore taken only if
//! everything that goes away was added in the default way (`is_by_default`): then there is exactly
//! one graph from which this step comes.
//!
//! The order of the work makes no difference to what is found. The most ordinary graph comes first:
//! the one with the fewest interruptions and old values. So a failure is shown by an execution that
//! is easy to follow.
//!
//! # Operations that wait
//! An operation with a guard is performed only when the newest value lets it go on. A backward step
//! can take this value away: then the operation becomes a *failed attempt*, which stores nothing,
//! and its thread tries again later. When no thread can go on, an operation that waits could still
//! have come earlier, and have found another value or taken it from another operation. These ways
//! are noted, and the operation fails.

mod by_hand;
mod outcome;
mod place;
mod repeats;
mod ways;
mod work;

use std::collections::HashSet;

pub use outcome::{End, Moment, Outcome, Stray};
use work::{Queue, newer_stores, oddity};

use crate::clocks::Clocks;
use crate::event::{EventId, Op};
use crate::graph::{Graph, Location, Source};
use crate::order;
use crate::schedule::Step;

/// The location that one object of the program has in the graph.
#[derive(Clone, Copy, Debug)]
struct Object {
    initial: u64,
    bits: u32,
    location: Option<usize>,
}

/// What a thread of the current run is called in the graph, and what it is called in the run.
#[derive(Clone, Copy, Debug)]
struct Member {
    thread: usize,
    ended: bool,
    /// See [`Search::hold`].
    held: bool,
}

impl Member {
    fn new(thread: usize) -> Self {
        Self {
            thread,
            ended: false,
            held: false,
        }
    }
}

/// A search through the executions of one program.
///
/// ```text
/// while search.begin() {
///     // start the program; then, until `turn` returns an end:
///     //     tell `turn` what each thread is about to do, and let the thread that it names do it
/// }
/// ```
#[derive(Debug)]
pub struct Search {
    graph: Graph,
    clocks: Clocks,
    work: Queue,
    /// The graph with which this run began.
    begun_with: Graph,
    /// What is left to repeat of the graph, the next event last.
    script: Vec<EventId>,
    /// The steps of a schedule that are left, the next one last; `None` if this is a search.
    plan: Option<Vec<Step>>,
    /// The steps of this run.
    steps: Vec<Step>,
    /// After so many steps of a run by hand, the rest is what happens by default.
    decided: usize,
    /// How many events of each thread of the graph have been performed in this run.
    done: Vec<usize>,
    objects: Vec<Object>,
    members: Vec<Member>,
    /// The fingerprints of executions that could come again.
    seen: HashSet<(u64, u64)>,
    runs: u64,
}

impl Default for Search {
    fn default() -> Self {
        Self::new()
    }
}

impl Search {
    /// A search that has not begun.
    #[must_use]
    pub fn new() -> Self {
        Self {
            graph: Graph::new(),
            clocks: Clocks::default(),
            work: Queue::new(Graph::new()),
            begun_with: Graph::new(),
            script: Vec::new(),
            plan: None,
            steps: Vec::new(),
            decided: 0,
            done: Vec::new(),
            objects: Vec::new(),
            members: Vec::new(),
            seen: HashSet::new(),
            runs: 0,
        }
    }

    /// The steps of this run so far: its schedule.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// After so many steps of a run by hand, the others are what happens by default.
    #[must_use]
    pub fn decided(&self) -> usize {
        self.decided
    }

    /// Begins the next run. False if every execution has been visited.
    pub fn begin(&mut self) -> bool {
        let Some(graph) = self.work.pop() else {
            return false;
        };
        self.begun_with.clone_from(&graph);
        self.begin_with(graph);
        self.runs += 1;
        true
    }

    /// Begins the same run again.
    pub fn begin_again(&mut self) {
        self.begin_with(self.begun_with.clone());
    }

    /// Puts the graph of this run back, to begin it again later.
    pub fn put_back(&mut self) {
        self.work.push(self.begun_with.clone());
    }

    fn begin_with(&mut self, mut graph: Graph) {
        for id in graph.ids().collect::<Vec<_>>() {
            let plain = ways::is_plain(&graph, id);
            graph.event_mut(id).plain = plain;
        }
        let clocks = Clocks::of(&graph);
        let mut script = order::told(&graph);
        script.reverse();
        self.graph = graph;
        self.clocks = clocks;
        self.script = script;
        self.steps.clear();
        self.decided = 0;
        self.done.clear();
        self.objects.clear();
        self.members.clear();
        self.members.push(Member::new(0));
    }

    /// How many runs have begun.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// The most graphs that waited at one time.
    #[must_use]
    pub fn most_waiting(&self) -> usize {
        self.work.most()
    }

    /// How many graphs were given up because too many waited, so that this search is not complete.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.work.given_up()
    }

    /// How much in the execution is not as one expects: how often a thread is interrupted, how many
    /// loads read an old store, and how much happens for no reason.
    #[must_use]
    pub fn oddity(&self) -> usize {
        oddity(&self.graph)
    }

    /// The least oddity of an execution that has not been visited; `None` if there is none.
    #[must_use]
    pub fn least_oddity(&self) -> Option<usize> {
        self.work.least_oddity()
    }

    /// The execution so far.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The thread of the graph that is number `thread` in this run.
    #[must_use]
    pub fn in_graph(&self, thread: usize) -> usize {
        self.members[thread].thread
    }

    /// Where a thread of this run is.
    #[must_use]
    pub fn now(&self, thread: usize) -> Moment {
        let thread = self.members[thread].thread;
        Moment {
            thread,
            events: self.done.get(thread).copied().unwrap_or(0),
        }
    }

    /// Whether everything that a thread did up to `earlier` happens before what `thread` does now. Two
    /// accesses to plain memory, of which one writes, race if neither is ordered in this way.
    #[must_use]
    pub fn is_ordered(&self, earlier: Moment, thread: usize) -> bool {
        let Moment {
            thread: slot,
            events,
        } = self.now(thread);
        let last = match events.checked_sub(1) {
            Some(index) => Some(EventId {
                thread: slot,
                index,
            }),
            None => self.graph.threads[slot].start,
        };
        // What lies between two events of a thread happened when the later one did.
        let count = last.map(|last| self.clocks.before(last).count(earlier.thread));
        slot == earlier.thread || count.unwrap_or(0) > earlier.events
    }

    /// Whether what a thread does now comes after everything that it did up to `earlier`, in each run
    /// of this execution. Two accesses for which that does not hold can be under way at the same time.
    #[must_use]
    pub fn is_after(&self, earlier: Moment, thread: usize) -> bool {
        let Moment { thread, events } = self.now(thread);
        let last = match events.checked_sub(1) {
            Some(index) => Some(EventId { thread, index }),
            None => self.graph.threads[thread].start,
        };
        let count = last.map(|last| self.clocks.needed(last).count(earlier.thread));
        thread == earlier.thread || count.unwrap_or(0) > earlier.events
    }

    /// Makes an object known in this run. Returns its number: 0, 1, …
    pub fn object(&mut self, initial: u64, bits: u32) -> usize {
        self.objects.push(Object {
            initial,
            bits,
            location: None,
        });
        self.objects.len() - 1
    }

    /// The location of the graph that is object number `object` in this run, once it was used.
    #[must_use]
    pub fn location_of(&self, object: usize) -> Option<usize> {
        self.objects[object].location
    }

    /// The newest store to an object.
    #[must_use]
    pub fn newest(&self, object: usize) -> Source {
        let at = self.objects[object].location?;
        self.graph.locations[at].order.last().copied()
    }

    /// The newest value of an object, as things stand in this run.
    #[must_use]
    pub fn newest_value(&self, object: usize) -> u64 {
        let newest = self.newest_performed(object);
        let value = newest.and_then(|store| self.graph.event(store).written);
        value.unwrap_or(self.objects[object].initial)
    }

    /// The newest value of an object that a thread is sure to see: what it would load without any
    /// other thread being able to interfere.
    #[must_use]
    pub fn settled(&self, thread: usize, object: usize) -> u64 {
        let Object {
            initial, location, ..
        } = self.objects[object];
        let Some(at) = location else { return initial };
        let now = self.now(thread);
        let mut newest_first = self.graph.locations[at].order.iter().rev();
        let sure = newest_first.find(|store| {
            let Moment { thread, events } = now;
            let is_own = store.thread == thread && store.index < events;
            is_own || self.knows(now, **store)
        });
        sure.and_then(|store| self.graph.event(*store).written)
            .unwrap_or(initial)
    }

    /// Whether an event happens before this moment.
    fn knows(&self, Moment { thread, events }: Moment, id: EventId) -> bool {
        let last = match events.checked_sub(1) {
            Some(index) => Some(EventId { thread, index }),
            None => self.graph.threads[thread].start,
        };
        last.is_some_and(|last| self.clocks.before(last).count(id.thread) > id.index)
    }

    /// Whether an operation would have to wait, as things stand in this run.
    #[must_use]
    pub fn must_wait(&self, op: Op) -> bool {
        match op {
            Op::Join { thread } => !self.members[thread].ended,
            _ => op
                .location()
                .is_some_and(|object| !op.guard().lets(self.newest_value(object))),
        }
    }

    /// The newest store to an object among those that this run has performed. (The graph of a run
    /// that repeats another one also has those that are to come.)
    #[must_use]
    pub fn newest_performed(&self, object: usize) -> Source {
        let at = self.objects[object].location?;
        let mut newest_first = self.graph.locations[at].order.iter().rev();
        newest_first
            .find(|store| {
                self.done
                    .get(store.thread)
                    .is_some_and(|done| *done > store.index)
            })
            .copied()
    }

    /// Says that a thread should not go on while others can: it would only see again what it has
    /// seen. What is found does not depend on that.
    pub fn hold(&mut self, thread: usize, held: bool) {
        self.members[thread].held = held;
    }

    /// Says that a thread of this run has ended.
    pub fn ended(&mut self, thread: usize) {
        self.members[thread].ended = true;
    }

    /// Whose turn it is. `next` holds, for each thread of this run that has not ended, its number and
    /// what it is about to do.
    ///
    /// # Errors
    /// How the run ended, if no thread can go on.
    pub fn turn(&mut self, next: &[(usize, Op)]) -> Result<usize, End> {
        self.skip_failed();
        if let Some(step) = self.plan.as_ref().and_then(|plan| plan.last()).copied() {
            let is_there = next.iter().any(|(thread, _)| *thread == step.thread);
            let is_plain = step.back == 0 && step.choice == 0;
            if !is_plain || self.goes_on(&self.sorted(next)) != Some(step.thread) {
                self.decided = self.steps.len() + 1;
            }
            return is_there.then_some(step.thread).ok_or(End::Astray);
        }
        if let Some(id) = self.script.last() {
            let turn = next
                .iter()
                .find(|(thread, _)| self.members[*thread].thread == id.thread);
            if let Some((thread, _)) = turn {
                return Ok(*thread);
            }
        }
        let next = self.sorted(next);
        let goes_on = self.goes_on(&next);
        let acts = |op: Op| self.can_go_on(op) || goes_on.is_none();
        let repeats = next
            .iter()
            .find(|(thread, op)| acts(*op) && self.repeats(*thread));
        if let Some(&(thread, op)) = repeats {
            let (slot, op) = (self.members[thread].thread, self.translate(op));
            if let Op::Update {
                spurious: true, at, ..
            } = op
            {
                // What it can do for no reason is no repetition.
                self.other_ways(slot, op, at, None);
            }
            return Err(End::Repeated);
        }
        if let Some(thread) = goes_on {
            return Ok(thread);
        }
        if self.plan.is_some() {
            return Err(match next.is_empty() {
                true => End::Finished,
                false => End::Blocked,
            });
        }
        for &(thread, op) in &next {
            if !self.can_go_on(op) && self.gives_up(thread, op) {
                return self.turn(&next);
            }
        }
        Err(match next.is_empty() {
            _ if self.was_seen() => End::Repeated,
            true => End::Finished,
            false => End::Blocked,
        })
    }

    /// The threads in an order that does not depend on the run.
    fn sorted(&self, next: &[(usize, Op)]) -> Vec<(usize, Op)> {
        let mut next = next.to_vec();
        next.sort_by_key(|(thread, _)| &self.graph.threads[self.members[*thread].thread].path);
        next
    }

    /// The thread that goes on by default: the one that ran last, if it can, because that is easier
    /// to follow.
    fn goes_on(&self, next: &[(usize, Op)]) -> Option<usize> {
        let mut ready = next
            .iter()
            .filter(|(thread, op)| self.can_go_on(*op) && !self.members[*thread].held)
            .map(|(thread, _)| *thread);
        let running = self.steps.last().map(|step| step.thread);
        let first = ready.clone().next();
        ready.find(|thread| Some(*thread) == running).or(first)
    }

    /// Performs an operation of a thread, whose turn it is.
    ///
    /// # Errors
    /// The program did not do what it did when it read the same values before, or the schedule
    /// belongs to another program.
    pub fn perform(&mut self, thread: usize, op: Op) -> Result<Outcome, Stray> {
        self.skip_failed();
        let slot = self.members[thread].thread;
        let expected = self.script.last().filter(|id| id.thread == slot).copied();
        let id = match expected {
            Some(id) => {
                self.script.pop();
                self.repeat(id, op)?;
                id
            }
            None => {
                let is_possible = op.location().is_some() || self.can_go_on(op);
                let op = self.translate(op);
                match self.plan.as_mut().map(Vec::pop) {
                    Some(step) => {
                        let step = step.unwrap_or(Step {
                            thread,
                            ..Step::default()
                        });
                        if !is_possible {
                            return Err(Stray::Impossible { step, op });
                        }
                        self.add_as_planned(slot, op, step)?
                    }
                    None => self.add(slot, op),
                }
            }
        };
        self.note_step(thread, id);
        if let Op::Spawn { .. } = op
            && let Op::Spawn { thread } = self.graph.event(id).op
        {
            self.members.push(Member::new(thread));
        }
        let event = self.graph.event(id);
        Ok(Outcome {
            read: event.read,
            written: event.written,
            choice: event.choice,
            from: event.from,
            id,
        })
    }

    fn skip_failed(&mut self) {
        while let Some(id) = self.script.last()
            && self.graph.event(*id).failed
        {
            self.script.pop();
        }
    }

    /// Checks that an operation is the one that the graph has here, and learns the location of its
    /// object. An address may be another one than before: the values that follow from it change, too.
    fn repeat(&mut self, id: EventId, op: Op) -> Result<(), Stray> {
        let before = self.graph.event(id).op;
        if let (Some(object), Some(location)) = (op.location(), before.location()) {
            let object = &mut self.objects[object];
            if object.location.is_none() {
                object.location = Some(location);
                self.graph.locations[location].initial = object.initial;
            }
        }
        let now = match op {
            // It gets its number now.
            Op::Spawn { .. } => before,
            _ => self.translate(op),
        };
        if !now.is_like(&before) {
            return Err(Stray::Unrepeatable { before, now });
        }
        if now.location().is_some() {
            let event = self.graph.event(id);
            let (from, choice, stored) = (event.from, event.choice, event.written.is_some());
            let at = now.location().unwrap_or_default();
            let found = match from {
                Some(store) => self.graph.event(store).written.unwrap_or_default(),
                None => self.graph.locations[at].initial,
            };
            let bits = self.graph.locations[at].bits;
            let stores = now.stores(found, bits, choice);
            if stores.is_some() != stored {
                return Err(Stray::Unrepeatable { before, now });
            }
            let event = self.graph.event_mut(id);
            event.op = now;
            event.read = if now.reads() { found } else { 0 };
            event.written = stores;
        }
        Ok(())
    }

    /// Notes what a schedule has to say of an event that has just been performed.
    fn note_step(&mut self, thread: usize, id: EventId) {
        let event = self.graph.event(id);
        let back = newer_stores(&self.graph, id, &self.done);
        self.steps.push(Step {
            thread,
            back,
            choice: event.choice,
        });
        if self.done.len() <= id.thread {
            self.done.resize(id.thread + 1, 0);
        }
        self.done[id.thread] = id.index + 1;
    }

    /// The operation in the numbers of the graph.
    fn translate(&mut self, mut op: Op) -> Op {
        match &mut op {
            Op::Load { at, .. } | Op::Store { at, .. } | Op::Update { at, .. } => {
                *at = self.location(*at);
            }
            Op::Join { thread } => *thread = self.members[*thread].thread,
            Op::Fence { .. } | Op::Spawn { .. } => {}
        }
        op
    }

    fn location(&mut self, object: usize) -> usize {
        let Object {
            initial,
            bits,
            location,
        } = self.objects[object];
        location.unwrap_or_else(|| {
            let locations = &mut self.graph.locations;
            locations.push(Location {
                initial,
                bits,
                order: Vec::new(),
            });
            self.objects[object].location = Some(locations.len() - 1);
            locations.len() - 1
        })
    }

    fn can_go_on(&self, op: Op) -> bool {
        match op {
            Op::Join { thread } => self.members[thread].ended,
            _ => op.location().is_none_or(|object| {
                let object = self.objects[object];
                let newest = object
                    .location
                    .map_or(object.initial, |at| self.graph.newest(at));
                op.guard().lets(newest)
            }),
        }
    }
}
