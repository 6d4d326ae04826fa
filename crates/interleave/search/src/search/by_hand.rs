//! Runs in which the caller decides: along a schedule, or step by step.

use super::place::place;
use super::{Search, Stray};
use crate::clocks::Clocks;
use crate::consistency::{coherent, happened_in_order, sequential};
use crate::event::{EventId, Op};
use crate::graph::Graph;
use crate::schedule::Step;

impl Search {
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

    /// Whether a run along a schedule has not come to its end.
    #[must_use]
    pub fn is_planned(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| !plan.is_empty())
    }

    /// The next planned step.
    #[must_use]
    pub fn planned(&self) -> Option<Step> {
        self.plan.as_ref().and_then(|plan| plan.last()).copied()
    }

    /// The steps that a thread could take with this operation if `SeqCst` operations come in the order
    /// in which this run performs them (a few executions of programs that mix `SeqCst` with weaker
    /// accesses to the same location have no such order), the default first, and the value that
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
                if add_as_planned(&mut graph, &mut clocks, slot, op, step).is_some()
                    && happened_in_order(&graph, &clocks, |id| Some(graph.event(id).stamp))
                {
                    all.push((step, found));
                }
            }
        }
        all
    }

    /// Adds an event as a schedule says.
    pub(super) fn add_as_planned(
        &mut self,
        thread: usize,
        op: Op,
        step: Step,
    ) -> Result<EventId, Stray> {
        let added = match op.location() {
            None if step.back + step.choice > 0 => None,
            None => Some(self.add_without_choice(thread, op)),
            Some(_) => add_as_planned(&mut self.graph, &mut self.clocks, thread, op, step),
        };
        added.ok_or(Stray::Impossible { step, op })
    }
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
    // What comes last and finds the newest store agrees with everything before. (A long run by hand
    // would otherwise take time that grows with the third power of its length.)
    if step.back == 0 {
        return Some(id);
    }
    let stores = graph.event(id).written.is_some();
    let is_allowed =
        (rival.is_none() || !stores) && coherent(graph, clocks, id) && sequential(graph, clocks);
    is_allowed.then_some(id)
}
