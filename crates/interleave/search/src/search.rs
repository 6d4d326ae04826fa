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

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fmt;

use crate::clocks::Clocks;
use crate::consistency::{atomic, coherent, sequential};
use crate::event::{EventId, Guard, Op};
use crate::graph::{Graph, Location};
use crate::order;
use crate::schedule::{self, Step};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every thread has ended.
    Finished,
    /// The threads that are left wait for ever.
    Blocked,
    /// Another run shows the same execution, or will show it. This one need not go on.
    Repeated,
    /// The schedule wants a step of a thread that has ended, or has not begun.
    Astray,
}

/// Where a thread is in a run: between two events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    thread: usize,
    /// How many of its events have been performed.
    events: usize,
}

/// What an operation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The value that it read.
    pub read: u64,
    /// The value that it stored, if it stored one.
    pub written: Option<u64>,
    /// The number of the choice that it took, where it had one (see [`Event::choice`]).
    ///
    /// [`Event::choice`]: crate::Event::choice
    pub choice: usize,
}

/// Why an operation cannot be performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Stray {
    /// The program did not repeat itself: with the same values read, it did something else.
    Unrepeatable { before: Op, now: Op },
    /// The schedule wants what the memory model forbids here, or a choice that there is not.
    Impossible { step: Step, op: Op },
}

impl fmt::Display for Stray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stray::Unrepeatable { before, now } => write!(
                f,
                "the program did not repeat itself: it read the same values, but where it did {before:?}, it now did {now:?}"
            ),
            Stray::Impossible { step, op } => write!(
                f,
                "the schedule belongs to another program: its step {} is not possible for {op:?}",
                schedule::write(&[*step])
            ),
        }
    }
}

impl std::error::Error for Stray {}

/// A graph that waits to be run.
#[derive(Clone, Debug)]
struct Work {
    /// See [`oddity`].
    oddity: usize,
    /// How many were noted before it.
    number: u64,
    graph: Graph,
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
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Work {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// How much in an execution is not as one expects: how often a thread is interrupted, how many loads
/// read an old store, how many stores do not become the newest, how much happens for no reason.
fn oddity(graph: &Graph) -> usize {
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
fn newer_stores(graph: &Graph, id: EventId, done: &[usize]) -> usize {
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
    work: BinaryHeap<Work>,
    /// What is left to repeat of the graph, the next event last.
    script: Vec<EventId>,
    /// The steps of a schedule that are left, the next one last; `None` if this is a search.
    plan: Option<Vec<Step>>,
    /// The steps of this run.
    steps: Vec<Step>,
    /// How many events of each thread of the graph have been performed in this run.
    done: Vec<usize>,
    objects: Vec<Object>,
    members: Vec<Member>,
    /// The fingerprints of executions that could come again.
    seen: HashSet<(u64, u64)>,
    runs: u64,
    noted: u64,
    most: usize,
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
            work: BinaryHeap::from([Work {
                oddity: 0,
                number: 0,
                graph: Graph::new(),
            }]),
            noted: 0,
            script: Vec::new(),
            plan: None,
            steps: Vec::new(),
            done: Vec::new(),
            objects: Vec::new(),
            members: Vec::new(),
            seen: HashSet::new(),
            runs: 0,
            most: 0,
        }
    }

    /// One run along a schedule. After its last step, the run goes on in the default way.
    #[must_use]
    pub fn along(steps: &[Step]) -> Self {
        Self {
            plan: Some(steps.iter().rev().copied().collect()),
            ..Self::new()
        }
    }

    /// One run in which the caller decides everything: whose turn it is, and by [`Search::decide`]
    /// which of its [`options`](Search::options) a thread takes.
    #[must_use]
    pub fn by_hand() -> Self {
        Self::along(&[])
    }

    /// The next step of a run by hand, or of a run along a schedule that has come to its end.
    pub fn decide(&mut self, step: Step) {
        if let Some(plan) = &mut self.plan {
            plan.insert(0, step);
        }
    }

    /// The steps that a thread could take with this operation, the default first, and the value that
    /// it reads in each (the value before its store, for a plain store). No step means that it waits.
    pub fn options(&mut self, thread: usize, op: Op) -> Vec<(Step, u64)> {
        let plain = Step {
            thread,
            ..Step::default()
        };
        if !self.can_go_on(op) && op.location().is_none() {
            return Vec::new();
        }
        let (slot, op) = (self.members[thread].thread, self.translate(op));
        let Some(at) = op.location() else {
            return vec![(plain, 0)];
        };
        let newest = self.graph.locations[at].order.len();
        let mut all = Vec::new();
        for back in 0..=newest {
            let found = self.graph.store_at(at, newest - back).1;
            for choice in op.choices(found) {
                let step = Step {
                    back,
                    choice,
                    ..plain
                };
                let (mut graph, mut clocks) = (self.graph.clone(), self.clocks.clone());
                if add_as_planned(&mut graph, &mut clocks, slot, op, step).is_some() {
                    all.push((step, found));
                }
            }
        }
        all
    }

    /// The steps of this run so far: its schedule.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Begins the next run. False if every execution has been visited.
    pub fn begin(&mut self) -> bool {
        let Some(Work { graph, .. }) = self.work.pop() else {
            return false;
        };
        let clocks = Clocks::of(&graph);
        let mut script = order::told(&graph);
        script.reverse();
        self.graph = graph;
        self.clocks = clocks;
        self.script = script;
        self.steps.clear();
        self.done.clear();
        self.objects.clear();
        self.members.clear();
        self.members.push(Member {
            thread: 0,
            ended: false,
        });
        self.runs += 1;
        true
    }

    /// How many runs have begun.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// The most graphs that waited at one time.
    #[must_use]
    pub fn most_waiting(&self) -> usize {
        self.most
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
        let knows = last.map(|last| self.clocks.before(last));
        let count = knows.and_then(|knows| knows.get(earlier.thread)).copied();
        slot == earlier.thread || count.unwrap_or(0) as usize > earlier.events
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
        if let Some(step) = self.plan.as_ref().and_then(|plan| plan.last()) {
            let is_there = next.iter().any(|(thread, _)| *thread == step.thread);
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
        let mut ready: Vec<&(usize, Op)> =
            next.iter().filter(|(_, op)| self.can_go_on(*op)).collect();
        let path = |thread: usize| &self.graph.threads[self.members[thread].thread].path;
        ready.sort_by(|(one, _), (other, _)| path(*one).cmp(path(*other)));
        let acts = |op: Op| self.can_go_on(op) || ready.is_empty();
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
        if let Some((thread, _)) = ready.first() {
            return Ok(*thread);
        }
        if self.plan.is_some() {
            return Err(match next.is_empty() {
                true => End::Finished,
                false => End::Blocked,
            });
        }
        let mut waiting = next.to_vec();
        waiting.sort_by(|(one, _), (other, _)| path(*one).cmp(path(*other)));
        for (thread, op) in waiting {
            if self.gives_up(thread, op) {
                return self.turn(next);
            }
        }
        Err(match next.is_empty() {
            _ if self.was_seen() => End::Repeated,
            true => End::Finished,
            false => End::Blocked,
        })
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
                let op = self.translate(op);
                match self.plan.as_mut().map(Vec::pop) {
                    Some(step) => {
                        let step = step.unwrap_or(Step {
                            thread,
                            ..Step::default()
                        });
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
            self.members.push(Member {
                thread,
                ended: false,
            });
        }
        let event = self.graph.event(id);
        Ok(Outcome {
            read: event.read,
            written: event.written,
            choice: event.choice,
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
    /// object.
    fn repeat(&mut self, id: EventId, op: Op) -> Result<(), Stray> {
        let before = self.graph.event(id).op;
        if let (Some(object), Some(location)) = (op.location(), before.location()) {
            self.objects[object].location.get_or_insert(location);
        }
        let now = match op {
            // It gets its number now.
            Op::Spawn { .. } => before,
            _ => self.translate(op),
        };
        match now == before {
            true => Ok(()),
            false => Err(Stray::Unrepeatable { before, now }),
        }
    }

    /// Adds an event as a schedule says.
    fn add_as_planned(&mut self, thread: usize, op: Op, step: Step) -> Result<EventId, Stray> {
        let added = match op.location() {
            None if step.back + step.choice > 0 => None,
            None => Some(self.add_without_choice(thread, op)),
            Some(_) => add_as_planned(&mut self.graph, &mut self.clocks, thread, op, step),
        };
        added.ok_or(Stray::Impossible { step, op })
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

    /// Whether the operation of this thread failed with one store, although another piece of work
    /// leads to the same: it could read the newest store directly, or fail with a store that is as
    /// good, and is newer.
    fn repeats(&self, thread: usize) -> bool {
        let slot = self.members[thread].thread;
        let Some(last) = self.graph.threads[slot].events.last() else {
            return false;
        };
        let (Some(source), Some(at), Some(from)) = (last.instead_of, last.location(), last.from)
        else {
            return false;
        };
        let order = &self.graph.locations[at].order;
        let newest = match order.last() {
            Some(newest) if *newest != from => *newest,
            _ => return false,
        };
        if !self.clocks.needs(newest, from) {
            return true;
        }
        let place = |store: Option<EventId>| order.iter().position(|other| Some(*other) == store);
        let later = &order[place(source).map_or(0, |place| place + 1)..];
        // What could have taken the value of `source` away, without help from the others.
        let is_first = |store: EventId| !later.iter().any(|other| self.clocks.needs(store, *other));
        later
            .iter()
            .skip_while(|store| **store != from)
            .skip(1)
            .any(|store| *store != newest && self.clocks.needs(newest, *store) && is_first(*store))
    }

    /// Notes the execution, and returns whether another run has shown it.
    ///
    /// Two ways lead to one execution only where operations wait, and even there rarely. So the
    /// search remembers only executions of programs that wait for values.
    fn was_seen(&mut self) -> bool {
        let waits = |id| self.graph.event(id).op.guard() != Guard::Always;
        self.graph.ids().any(waits) && !self.seen.insert(self.graph.fingerprint())
    }

    // ------------------------------------------------------------- choices --

    /// Adds an event in the default way, and notes all other ways.
    fn add(&mut self, thread: usize, op: Op) -> EventId {
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

    fn add_without_choice(&mut self, thread: usize, mut op: Op) -> EventId {
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
    fn gives_up(&mut self, thread: usize, op: Op) -> bool {
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
    fn other_ways(&mut self, thread: usize, op: Op, at: usize, except: Option<usize>) {
        let newest = self.graph.locations[at].order.len();
        for position in (0..=newest).rev() {
            let found = self.graph.store_at(at, position).1;
            for choice in op.choices(found) {
                if choice == 0 && except == Some(position) {
                    continue;
                }
                let mut graph = self.graph.clone();
                let rival = graph.successor(at, position);
                if rival.is_some() && !op.reads() {
                    continue;
                }
                let id = place(&mut graph, thread, op, position, choice);
                let mut clocks = self.clocks.clone();
                clocks.add(&graph, id);
                if rival.is_some() && graph.event(id).written.is_some() {
                    // Two read-modify-writes cannot read the same store, so the other one must give
                    // way: it reads this one instead, or it goes away.
                    self.steps_back_of(&graph, &clocks, id);
                    continue;
                }
                if !coherent(&graph, &clocks, id) {
                    continue;
                }
                if op.reads() {
                    // Where a plain store stands is chosen after the step back.
                    self.steps_back_of(&graph, &clocks, id);
                }
                if sequential(&graph, &clocks) {
                    self.note(graph);
                }
            }
        }
    }

    fn steps_back(&mut self, id: EventId) {
        if self.graph.event(id).written.is_none() {
            return;
        }
        let graph = self.graph.clone();
        let clocks = self.clocks.clone();
        self.steps_back_of(&graph, &clocks, id);
    }

    /// Notes each way in which an earlier load reads the store `id` instead.
    fn steps_back_of(&mut self, graph: &Graph, clocks: &Clocks, id: EventId) {
        let event = graph.event(id);
        let (Some(at), Some(_)) = (event.location(), event.written) else {
            return;
        };
        let readers: Vec<EventId> = graph
            .accesses(at)
            .filter(|other| *other != id && graph.event(*other).op.reads())
            .collect();
        for reader in readers {
            self.step_back(graph, clocks, id, reader);
        }
    }

    /// Notes the graph in which `reader`, which was there before, reads the new store `store`.
    fn step_back(&mut self, graph: &Graph, clocks: &Clocks, store: EventId, reader: EventId) {
        let old = graph.event(reader);
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
        let is_older = graph.position(at, Some(store)) < graph.position(at, before);
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
        self.noted += 1;
        self.work.push(Work {
            oddity: oddity(&graph),
            number: self.noted,
            graph,
        });
        self.most = self.most.max(self.work.len());
    }
}

/// Adds an operation that reads the store at this position, or stores right behind it.
fn place(graph: &mut Graph, thread: usize, op: Op, position: usize, choice: usize) -> EventId {
    let at = op.location().expect("only an access has a place");
    let (from, found) = graph.store_at(at, position);
    let id = graph.push(thread, op);
    if op.reads() {
        let event = graph.event_mut(id);
        event.from = from;
        event.read = found;
        event.choice = choice;
    }
    let stored = match op {
        Op::Store { value, .. } => Some(value),
        Op::Update { change, .. } => change.apply(found, graph.locations[at].bits, choice),
        _ => None,
    };
    if let Some(value) = stored {
        graph.insert(at, position, id, value);
    }
    id
}

/// Adds an access as a schedule says, if the memory model allows that.
fn add_as_planned(
    graph: &mut Graph,
    clocks: &mut Clocks,
    thread: usize,
    op: Op,
    step: Step,
) -> Option<EventId> {
    let at = op.location()?;
    let position = graph.locations[at].order.len().checked_sub(step.back)?;
    let found = graph.store_at(at, position).1;
    if !op.choices(found).contains(&step.choice) {
        return None;
    }
    let rival = graph.successor(at, position);
    let id = place(graph, thread, op, position, step.choice);
    clocks.add(graph, id);
    let stores = graph.event(id).written.is_some();
    let is_allowed =
        (rival.is_none() || !stores) && coherent(graph, clocks, id) && sequential(graph, clocks);
    is_allowed.then_some(id)
}

/// Lets an event read another store, and store what follows from that.
fn reread(graph: &mut Graph, reader: EventId, store: EventId) {
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
fn with_choice(graph: &Graph, reader: EventId, choice: usize) -> Graph {
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
    let (Op::Update { at, change, .. }, from) = (event.op, event.from) else {
        return;
    };
    if let Some(value) = change.apply(event.read, graph.locations[at].bits, choice) {
        let position = graph.position(at, from);
        graph.insert(at, position, id, value);
    }
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
        true => graph.position(at, event.from),
        false => graph.position(at, Some(id)),
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
