//! What keeps one execution from being shown twice, where operations wait.

use super::Search;
use crate::event::{EventId, Guard};

impl Search {
    /// Whether the operation of this thread failed with one store, although another piece of work
    /// leads to the same: it could read the newest store directly, or fail with a store that is as
    /// good, and is newer.
    pub(super) fn repeats(&self, thread: usize) -> bool {
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
    pub(super) fn was_seen(&mut self) -> bool {
        let waits = |id| self.graph.event(id).op.guard() != Guard::Always;
        self.graph.ids().any(waits) && !self.seen.insert(self.graph.fingerprint())
    }
}
