//! A fair run: all threads in turn, one step each.

use std::fmt::Write as _;

use interleave_model::kernel::failure::{Failure, FailureKind, short_place};
use interleave_model::kernel::running::Guide;
use interleave_model::kernel::{Run, State, thread::letter};
use interleave_search::{Change, Op, Step};

/// A fair run takes so many steps at most.
pub(crate) const MOST_STEPS: u64 = 4_000;

/// Lets all threads take turns.
#[derive(Clone, Debug)]
pub(crate) struct InTurn {
    last: Option<usize>,
    left: u64,
}

impl InTurn {
    pub(crate) fn new(most: u64) -> Self {
        Self {
            last: None,
            left: most,
        }
    }
}

impl Guide for InTurn {
    fn goes_on(&mut self, run: &Run, next: &[(usize, Op)]) -> bool {
        let able: Vec<(usize, Op)> = next
            .iter()
            .filter(|(thread, op)| run.can_go_on(*thread, *op))
            .copied()
            .collect();
        let after = |thread: usize| self.last.is_none_or(|last| thread > last);
        let chosen = able
            .iter()
            .find(|(thread, _)| after(*thread))
            .or(able.first());
        let Some((thread, op)) = chosen.copied() else {
            return true;
        };
        if self.left == 0 || run.is_livelocked() {
            return false;
        }
        self.left -= 1;
        self.last = Some(thread);
        // Time passes: a wait with a time limit ends.
        let is_coin = matches!(
            op,
            Op::Update {
                change: Change::TakeBit,
                ..
            }
        ) && run.has_two_ways(thread);
        run.search.borrow_mut().decide(Step {
            thread,
            back: 0,
            choice: usize::from(is_coin),
        });
        true
    }
}

/// Follows a schedule, and stands still at its end if it shows a livelock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged;

impl Guide for Judged {
    fn goes_on(&mut self, run: &Run, _: &[(usize, Op)]) -> bool {
        run.search.borrow().is_planned()
            || (!run.is_livelocked() && livelock(&run.state.borrow()).is_none())
    }
}

/// The failure that was noted, or the one of a run that repeats the same steps for very long.
pub(crate) fn livelock(state: &State) -> Option<Failure> {
    state.failure.clone().or_else(|| periodic(state))
}

/// The failure, if a fair run reached its step limit because it repeats the same steps.
fn periodic(state: &State) -> Option<Failure> {
    let log = &state.log;
    if (log.len() as u64) < MOST_STEPS / 2 {
        return None;
    }
    let tail = &log[log.len() - log.len() / 2..];
    let same = |one: usize, other: usize| {
        let (a, b) = (&tail[one], &tail[other]);
        a.thread == b.thread
            && std::ptr::eq(a.at, b.at)
            && a.returned == b.returned
            && a.arguments == b.arguments
    };
    let period = (1..tail.len().min(400) / 2)
        .find(|period| (*period..tail.len()).all(|i| same(i, i - period)))?;
    let circle = &tail[tail.len() - period..];
    let mut message = String::from(
        "livelock: although all threads get their turns, they repeat the same steps and never end",
    );
    let mut threads: Vec<_> = circle.iter().map(|event| event.thread).collect();
    threads.sort_unstable();
    threads.dedup();
    for thread in threads {
        let mut places: Vec<_> = circle
            .iter()
            .filter(|event| event.thread == thread)
            .map(|event| short_place(event.at))
            .collect();
        places.dedup();
        places.truncate(6);
        let _ = write!(
            message,
            "\n  thread {} repeats {}",
            letter(thread),
            places.join(", ")
        );
    }
    message.push_str(&state.who_waits());
    Some(Failure {
        kind: FailureKind::Spin,
        message,
        at: circle.first().map(|event| event.at.into()),
    })
}
