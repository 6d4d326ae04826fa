//! Which threads can be scheduled.

use interleave_model::kernel::{NOBODY, State, event::Step, thread::Status};

use super::exhaustive::Choice;

/// Which threads can be scheduled.
pub(super) struct Options {
    /// A thread that has not begun. No other thread can see what it does before its first step, so
    /// it runs at once.
    pub(super) fresh: Option<usize>,
    /// The threads that can run: the running thread first, and those whose time limit could end
    /// last.
    pub(super) ready: Vec<Choice>,
    /// How many of them can run without a time-out.
    without_timeout: usize,
    /// The threads that would only read again what has not changed.
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
        // Threads that spin take turns when no other thread is left.
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

    /// All threads that may be scheduled, by number.
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

    /// The next thread after `last` that can run; one with a time-out only if no other can.
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
