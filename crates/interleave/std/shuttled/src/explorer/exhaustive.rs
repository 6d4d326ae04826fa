//! Depth-first search through the schedules.
//!
//! Two variants share the tree. *Bounded* search limits how often it interrupts a thread that could
//! go on. Most bugs need one or two interruptions, and such schedules are the easiest to read.
//! *Full* search has no bound, but it leaves out schedules that differ only in the order of steps
//! that commute. After it has tried all schedules that begin with step `s`, `s` *sleeps* in the
//! alternatives until they take a step that does not commute with it (sleep sets: Godefroid,
//! "Partial-Order Methods for the Verification of Concurrent Systems", 1996, ch. 5).

use interleave_model::kernel::event::Step;

/// A thread that can run, and what it would do.
pub(super) type Choice = (usize, Step);

struct Node {
    choices: Vec<Choice>,
    taken: usize,
    asleep: Vec<Choice>,
}

/// The search tree along the current schedule.
pub(super) struct Search {
    /// How often a thread may be interrupted; `None` for a full search.
    bound: Option<u32>,
    path: Vec<Node>,
    depth: usize,
    interruptions: u32,
    asleep: Vec<Choice>,
    redundant: bool,
}

impl Search {
    pub(super) fn bounded(interruptions: u32) -> Self {
        Self::new(Some(interruptions))
    }

    pub(super) fn full() -> Self {
        Self::new(None)
    }

    pub(super) fn is_bounded(&self) -> bool {
        self.bound.is_some()
    }

    fn new(bound: Option<u32>) -> Self {
        Self {
            bound,
            path: Vec::new(),
            depth: 0,
            interruptions: 0,
            asleep: Vec::new(),
            redundant: false,
        }
    }

    /// Begins the next schedule.
    pub(super) fn begin(&mut self) {
        self.depth = 0;
        self.interruptions = 0;
        self.asleep.clear();
        self.redundant = false;
    }

    /// Whether the schedule that has just ended was equivalent to an earlier one.
    pub(super) fn was_redundant(&self) -> bool {
        self.redundant
    }

    /// Ends a schedule. Returns false if it was the last.
    pub(super) fn advance(&mut self) -> bool {
        while let Some(node) = self.path.last_mut() {
            node.taken += 1;
            if node.taken < node.choices.len() {
                return true;
            }
            self.path.pop();
        }
        false
    }

    /// Chooses among `choices`, of which there is at least one; the first is the running thread if
    /// it can go on (`can_stay`).
    pub(super) fn choose(&mut self, choices: &[Choice], can_stay: bool) -> usize {
        let first = choices[0];
        if self.redundant {
            return first.0;
        }
        if choices.len() == 1 || (self.bound == Some(self.interruptions) && can_stay) {
            self.redundant = self.asleep.iter().any(|(thread, _)| *thread == first.0);
            self.execute(first);
            return first.0;
        }
        if self.depth == self.path.len() {
            let awake: Vec<_> = choices
                .iter()
                .filter(|(thread, _)| self.asleep.iter().all(|(sleeper, _)| sleeper != thread))
                .copied()
                .collect();
            if awake.is_empty() {
                self.redundant = true;
                return first.0;
            }
            self.path.push(Node {
                choices: awake,
                taken: 0,
                asleep: self.asleep.clone(),
            });
        }
        let node = &self.path[self.depth];
        self.depth += 1;
        let chosen = node.choices[node.taken];
        if self.bound.is_none() {
            self.asleep.clone_from(&node.asleep);
            self.asleep.extend(&node.choices[..node.taken]);
        }
        if can_stay && chosen.0 != first.0 {
            self.interruptions += 1;
        }
        self.execute(chosen);
        chosen.0
    }

    /// A step wakes the sleepers that do not commute with it.
    fn execute(&mut self, (thread, step): Choice) {
        self.asleep
            .retain(|(sleeper, theirs)| *sleeper != thread && theirs.commutes(&step));
    }
}
