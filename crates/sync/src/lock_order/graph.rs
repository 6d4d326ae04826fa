//! The graph of which lock was taken before which, and the search for a cycle in it.

use std::collections::{HashMap, VecDeque};

use super::{Arrow, Held, OrderViolation, Place};

/// For each lock of a family, the locks that were taken while it was held.
#[derive(Default)]
pub(super) struct Graph {
    locks: HashMap<u64, Node>,
}

struct Node {
    name: String,
    /// The locks that were taken while this one was held, and where each was taken the first time.
    before: Vec<(u64, Place)>,
}

impl Graph {
    /// Adds a lock without arrows.
    pub(super) fn add(&mut self, lock: u64, name: String) {
        let before = Vec::new();
        self.locks.insert(lock, Node { name, before });
    }

    /// Draws an arrow from every held lock to `wanted`. If one of these arrows would close a cycle,
    /// it draws none and returns the cycle. The thread may also hold locks of other families; those
    /// get no arrows.
    pub(super) fn admit(
        &mut self,
        held: &[Held],
        wanted: u64,
        at: Place,
    ) -> Result<(), OrderViolation> {
        for held in held {
            if self.is_before(held.lock, wanted) {
                continue; // this arrow exists, and closed no cycle when it was drawn
            }
            if let Some(mut circle) = self.path(wanted, held.lock) {
                circle.push(self.arrow(held.lock, wanted, at));
                let held_since = held.at;
                return Err(OrderViolation { circle, held_since });
            }
        }
        for held in held {
            if !self.is_before(held.lock, wanted)
                && let Some(node) = self.locks.get_mut(&held.lock)
            {
                node.before.push((wanted, at));
            }
        }
        Ok(())
    }

    fn after(&self, lock: u64) -> &[(u64, Place)] {
        self.locks.get(&lock).map_or(&[], |node| &node.before)
    }

    fn is_before(&self, first: u64, then: u64) -> bool {
        self.after(first).iter().any(|(after, _)| *after == then)
    }

    /// The shortest path along the arrows from one lock to another, if there is one. The path from
    /// a lock to itself has no arrows. This is a breadth-first search.
    fn path(&self, from: u64, to: u64) -> Option<Vec<Arrow>> {
        let mut came_from: HashMap<u64, (u64, Place)> = HashMap::new();
        let mut queue = VecDeque::from([from]);
        while let Some(lock) = queue.pop_front() {
            if lock == to {
                return Some(self.retrace(&came_from, from, to));
            }
            for &(after, at) in self.after(lock) {
                came_from.entry(after).or_insert_with(|| {
                    queue.push_back(after);
                    (lock, at)
                });
            }
        }
        None
    }

    fn retrace(&self, came_from: &HashMap<u64, (u64, Place)>, from: u64, to: u64) -> Vec<Arrow> {
        let mut path = Vec::new();
        let mut lock = to;
        while lock != from
            && let Some(&(earlier, at)) = came_from.get(&lock)
        {
            path.push(self.arrow(earlier, lock, at));
            lock = earlier;
        }
        path.reverse();
        path
    }

    fn arrow(&self, holding: u64, taken: u64, at: Place) -> Arrow {
        let name = |lock| {
            let node = self.locks.get(lock);
            node.map_or_else(String::new, |node| node.name.clone())
        };
        Arrow {
            holding: name(&holding),
            taken: name(&taken),
            at,
        }
    }

    /// Removes a lock that no longer exists: no thread can wait for it any more.
    pub(super) fn forget(&mut self, lock: u64) {
        self.locks.remove(&lock);
        for node in self.locks.values_mut() {
            node.before.retain(|(after, _)| *after != lock);
        }
    }
}
