//! Threads that run for ever without progress, although all of them get their turn.

use std::fmt::Write as _;

use interleave_model::kernel::failure::{Failure, FailureKind, short_place};
use interleave_model::kernel::{State, thread::letter};

/// The failure, if a fair schedule reached the step limit because it repeats the same steps.
pub(super) fn livelock(state: &State) -> Option<Failure> {
    let log = &state.log;
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
