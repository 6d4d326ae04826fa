//! Who can be scheduled.

use super::exhaustive::Choice;
use interleave_model::kernel::{NOBODY, State, event::Step, thread::Status};

/// Who can be scheduled.
pub(super) struct Options {
    /// A thread that has not begun: what it does before its first step is nobody's business, so it
    /// runs at once.
    pub(super) fresh: Option<usize>,
    /// Who can run, the running thread first, those whose time could be up last.
    pub(super) ready: Vec<Choice>,
    /// How many of them need no time-out.
    without_timeout: usize,
    /// Who would only look again at what has not changed.
    pub(super) spinners: Vec<usize>,
    /// Whether the running thread is among the ready.
    pub(super) can_stay: bool,
}

impl Options {
    pub(super) fn of(state: &State, last: usize) -> Self {
        let mut options = Self {
            fresh: None,
            ready: Vec::new(),
            without_timeout: 0,
            spinners: Vec::new(),
            can_stay: false,
        };
        let mut timed = Vec::new();
        for (number, thread) in state.threads.iter().enumerate() {
            let choice = (number, thread.next.unwrap_or(Step::LOCAL));
            match thread.status {
                Status::Ready if thread.next.is_none() => {
                    options.fresh = options.fresh.or(Some(number));
                }
                Status::Ready if thread.spinning => options.spinners.push(number),
                Status::Ready if number == last => {
                    options.ready.insert(0, choice);
                    options.can_stay = true;
                }
                Status::Ready => options.ready.push(choice),
                Status::Timed(_, deadline) => timed.push((deadline, choice)),
                Status::Blocked(_) | Status::Finished => {}
            }
        }
        options.without_timeout = options.ready.len();
        timed.sort_by_key(|(deadline, (number, _))| (*deadline, *number));
        options
            .ready
            .extend(timed.into_iter().map(|(_, choice)| choice));
        // Spinners take turns when nobody else is left.
        options.spinners.sort_by_key(|number| {
            (*number + state.threads.len() - last.min(state.threads.len()) - 1)
                % state.threads.len().max(1)
        });
        options
    }

    pub(super) fn allows(&self, thread: usize) -> bool {
        self.fresh == Some(thread)
            || self.spinners.contains(&thread)
            || self.ready.iter().any(|(ready, _)| *ready == thread)
    }

    /// Everybody who may be scheduled, by number.
    pub(super) fn all(&self) -> Vec<usize> {
        let ready = self.ready.iter().map(|(thread, _)| *thread);
        let mut all: Vec<_> = ready.chain(self.spinners.iter().copied()).collect();
        all.extend(self.fresh);
        all.sort_unstable();
        all
    }

    pub(super) fn default_choice(&self) -> Option<usize> {
        self.fresh
            .or(self.ready.first().map(|(thread, _)| *thread))
            .or(self.spinners.first().copied())
    }

    /// The next after `last` that can run; a time-out only if nobody can.
    pub(super) fn in_turn(&self, last: usize) -> usize {
        if self.without_timeout == 0 {
            return self.ready[0].0;
        }
        let ready = self.ready[..self.without_timeout]
            .iter()
            .map(|(thread, _)| *thread);
        ready
            .clone()
            .filter(|thread| last == NOBODY || *thread > last)
            .min()
            .or(ready.min())
            .unwrap_or(0)
    }
}
