//! Timers in the order of their deadlines. Each has a value for when it is due.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Identifies a timer. The number distinguishes timers with equal deadlines,
/// and keeps them in the order in which they were set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    deadline: Instant,
    number: u64,
}

pub(crate) struct Timers<T> {
    set: BTreeMap<TimerKey, T>,
    next: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        let set = BTreeMap::new();
        Self { set, next: 0 }
    }
}

impl<T> Timers<T> {
    pub(crate) fn insert(&mut self, deadline: Instant, what: T) -> TimerKey {
        let number = self.next;
        self.next += 1;
        let key = TimerKey { deadline, number };
        self.set.insert(key, what);
        key
    }

    pub(crate) fn get_mut(&mut self, key: TimerKey) -> Option<&mut T> {
        self.set.get_mut(&key)
    }

    pub(crate) fn remove(&mut self, key: TimerKey) -> Option<T> {
        self.set.remove(&key)
    }

    /// Removes the first timer and returns its value, if its deadline has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        let first = self.set.first_entry()?;
        (first.key().deadline <= now).then(|| first.remove())
    }

    /// Returns the time until the first deadline, or `None` without a timer.
    pub(crate) fn first_in(&self, now: Instant) -> Option<Duration> {
        let (first, _) = self.set.first_key_value()?;
        Some(first.deadline.saturating_duration_since(now))
    }

    pub(crate) fn len(&self) -> usize {
        self.set.len()
    }
}

/// Returns the instant `duration` from now. If the clock cannot represent that
/// instant, returns the instant 100 years from now.
pub(crate) fn after(duration: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let now = Instant::now();
    now.checked_add(duration)
        .or_else(|| now.checked_add(CENTURY))
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_equal_ones_as_they_were_set() {
        let start = Instant::now();
        let mut timers = Timers::default();
        let mut keys = Vec::new();
        for (seconds, name) in [(3, 'e'), (1, 'a'), (2, 'c'), (1, 'b'), (2, 'x'), (2, 'd')] {
            keys.push(timers.insert(start + Duration::from_secs(seconds), name));
        }
        assert_eq!(timers.remove(keys[4]), Some('x'));
        assert_eq!(timers.remove(keys[4]), None);
        assert_eq!(timers.first_in(start), Some(Duration::from_secs(1)));
        assert_eq!(timers.pop_due(start), None);
        let due = |timers: &mut Timers<char>, seconds| {
            let now = start + Duration::from_secs(seconds);
            std::iter::from_fn(|| timers.pop_due(now)).collect::<String>()
        };
        assert_eq!(due(&mut timers, 2), "abcd");
        assert_eq!(
            timers.first_in(start + Duration::from_secs(9)),
            Some(Duration::ZERO)
        );
        assert_eq!(due(&mut timers, 9), "e");
        assert_eq!((timers.len(), timers.first_in(start)), (0, None));
    }

    #[test]
    fn what_is_beyond_the_clock_is_far_away() {
        assert!(after(Duration::MAX) > after(Duration::from_secs(1_000_000)));
    }
}
