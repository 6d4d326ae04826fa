//! When no thread can go on: whether that is a failure, and which.

use std::fmt::Write as _;

use super::{
    Run,
    failure::{FailureKind, short_place},
    panics,
    thread::{Status, letter},
};

/// What it means that no thread can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standstill {
    /// It is how this execution ends, and allowed.
    Allowed,
    /// It is a failure, which has been noted.
    Failed,
    /// Another execution shows how it goes on: a time limit ends a wait, or a loop gives up.
    Elsewhere,
}

impl Run {
    /// No thread can go on, and there are threads that have not ended.
    pub(super) fn standstill(&self) -> Standstill {
        // Brings the notes about which thread is unwinding up to date.
        let _ = self.panicking();
        let state = self.state.borrow();
        let left = || {
            let threads = state.threads.iter();
            threads.filter(|thread| thread.status != Status::Finished)
        };
        let gives_up = left().any(|thread| thread.looks.spins() == Some(false));
        let is_timed = |number: usize| {
            let thread = &state.threads[number];
            thread.status != Status::Finished && thread.is_timed
        };
        let ends_by_time =
            (0..state.threads.len()).any(|number| is_timed(number) && !self.waits_in_vain(number));
        if gives_up || ends_by_time {
            return Standstill::Elsewhere;
        }
        let spins = left().any(|thread| thread.looks.spins().is_some() || thread.is_timed);
        if state.scenario_ended && state.may_outlive && !spins {
            return Standstill::Allowed;
        }
        let count = left().count();
        let mut kind = match (spins, state.scenario_ended) {
            (true, _) => FailureKind::Spin,
            (false, true) => FailureKind::Leak,
            (false, false) => FailureKind::Deadlock,
        };
        let mut message = match (kind, count) {
            (FailureKind::Spin, _) => String::from(
                "livelock: threads check the same values again and again, and nothing will ever change them",
            ),
            (FailureKind::Leak, _) => {
                String::from("the scenario has ended, but a thread that it started waits for ever")
            }
            (_, 1) => String::from(
                "deadlock: the only thread left waits, and no other thread can wake it",
            ),
            (_, n) => format!("deadlock: {n} threads wait, and no other thread can wake them"),
        };
        message.push_str(&state.who_waits());
        let stuck: Vec<_> = left()
            .filter(|thread| kind != FailureKind::Spin || thread.looks.spins().is_some())
            .collect();
        let mut places = stuck.iter().map(|thread| thread.at);
        let own = places.clone().find(|at| at.file() != state.scenario);
        let mut at = own.or(places.next()).map(Into::into);
        let panicked = state.threads.iter().enumerate();
        let panicked = panicked
            .filter(|(_, thread)| thread.unobserved_panic || thread.unwinding)
            .find_map(|(number, thread)| Some((number, thread.panic.as_ref()?)));
        if let Some((number, note)) = panicked {
            kind = panics::kind(&state, note);
            message = format!(
                "thread {} panicked: {}\nafter that, {message}",
                letter(number),
                note.message
            );
            at = note.at.clone().or(at);
        }
        drop(state);
        {
            // They could go on when they came, and another thread was faster.
            let mut state = self.state.borrow_mut();
            let state = &mut *state;
            let waits = state
                .threads
                .iter_mut()
                .filter_map(|thread| thread.waits.take());
            state.log.extend(waits);
        }
        self.note_failure(kind, message, at);
        Standstill::Failed
    }

    /// Whether all threads that can go on repeat themselves, although each gets its turn. Then that is
    /// noted as a failure.
    pub fn is_livelocked(&self) -> bool {
        /// So many rounds in vain are no accident.
        const ROUNDS: u32 = 3;
        let state = self.state.borrow();
        let search = self.search.borrow();
        let goes_on = |thread: &&super::thread::Thread| {
            let next = thread.is_about_to();
            next.is_some_and(|op| !search.must_wait(op))
        };
        let mut able = state.threads.iter().filter(goes_on).peekable();
        if able.peek().is_none() || able.any(|thread| thread.looks.rounds_in_vain() < ROUNDS) {
            return false;
        }
        let mut message = String::from(
            "livelock: although all threads get their turns, they repeat the same steps and never end",
        );
        let mut at = None;
        for (number, thread) in state.threads.iter().enumerate() {
            let mut places: Vec<_> = thread.looks.places().map(short_place).collect();
            places.dedup();
            if thread.status == Status::Finished || places.is_empty() {
                continue;
            }
            at = at.or(thread.looks.places().next());
            let _ = write!(
                message,
                "\n  thread {} repeats {}",
                letter(number),
                places.join(", ")
            );
        }
        drop((search, state));
        self.note_failure(FailureKind::Spin, message, at.map(Into::into));
        true
    }

    /// Whether time limits would end the wait of this thread again and again, and it would learn
    /// nothing.
    fn waits_in_vain(&self, number: usize) -> bool {
        let state = self.state.borrow();
        let thread = &state.threads[number];
        let search = self.search.borrow();
        let its_own = search.in_graph(number);
        thread.timeouts > 1
            && thread.seen.iter().all(|(word, source)| {
                search
                    .newest(*word)
                    .is_none_or(|newest| newest.thread == its_own || Some(newest) == *source)
            })
    }
}

impl super::State {
    /// A line for each thread that waits: where, and for what.
    #[must_use]
    pub fn who_waits(&self) -> String {
        let mut text = String::new();
        for (number, thread) in self.threads.iter().enumerate() {
            if thread.status == Status::Finished {
                continue;
            }
            let place = short_place(thread.at);
            let letter = letter(number);
            let _ = match self.waits_for(number) {
                Some(what) if thread.looks.spins().is_some() => {
                    write!(text, "\n  thread {letter} spins at {place} on {what}")
                }
                Some(what) => write!(text, "\n  thread {letter} waits at {place} for {what}"),
                None => Ok(()),
            };
        }
        text
    }
}
