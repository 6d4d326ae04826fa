//! Loops that wait: a thread that looks at the same places again and sees the same values.
//!
//! A spin loop has executions without end: it may look once in vain, or twice, or a thousand times.
//! They differ in nothing that matters, so each loop is followed through one look in vain at most.
//! Then it waits until another thread changes something that it has looked at, or, if it gives up
//! after some number of looks, until it gives up.
//!
//! A look is known by what it does and by its place in the source. When a thread comes to the same look
//! again and has changed nothing since, it may be in such a loop. To find out, the thread goes on
//! alone and sees the same values again and again. If it leaves the loop by itself, the loop *gives
//! up*; otherwise it is *endless*. The execution is then run again with this knowledge, which holds
//! for all later executions.
//!
//! A lock that is taken and released again counts as a look, too, if the data is the same after it.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::Ordering;

use interleave_search::{Change, Guard, Op, Outcome, Search, Source};

use super::failure::{FailureKind, short_place};
use super::object::ObjectId;
use super::performing::Waiting;
use super::thread::{Wait, letter};
use super::{Place, Run, State};

/// After so many rounds in which nothing changes, a loop is endless.
const ENDLESS: u32 = 10_000;
/// Loops that end by themselves after so few rounds are followed round by round. They may be no loops
/// at all, but two calls of one function.
const SHORT: u32 = 8;
/// A round with more looks is not recognized as one.
const LONGEST: usize = 12;
/// So many fences in a row mean that a thread waits for memory that is not an atomic.
const FENCES: u32 = 1_000;
/// So many of them are in the timeline.
const SHOWN_FENCES: u32 = 4;

/// What is known of the loops of a program, by the place of a look and what a round sees: a loop that
/// waits while it sees one value may end with another.
#[derive(Clone, Debug, Default)]
pub struct Habits(HashMap<Key, Habit>);

type Key = (Location<'static>, Vec<u64>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    Endless,
    /// It gives up after this many rounds.
    GivesUp(u32),
}

/// How looks are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sees {
    /// By the value.
    Value,
    /// By whether another thread has been there since.
    News,
}

/// One look of a thread.
#[derive(Clone, Copy, Debug)]
struct Look {
    word: usize,
    op: Op,
    at: Place,
    sees: Sees,
    outcome: Outcome,
    is_news: bool,
}

impl Look {
    fn is(&self, op: Op, at: Place) -> bool {
        self.op == op && *self.at == *at
    }

    /// What it saw, but for addresses, which are others in the next execution.
    fn value(&self) -> u64 {
        match self.outcome.read {
            small @ 0..0x1_0000 => small,
            _ => u64::MAX,
        }
    }

    fn sees_the_same_as(&self, other: &Look) -> bool {
        match self.sees {
            Sees::Value => self.outcome.read == other.outcome.read,
            Sees::News => !self.is_news,
        }
    }
}

/// A round that a thread goes through without performing anything.
#[derive(Clone, Debug)]
struct Dream {
    /// Where the round begins in the list of looks.
    start: usize,
    /// The next look, counted from there.
    next: usize,
    /// How many looks a round has.
    period: usize,
    rounds: u32,
    /// Whether this is to find out what the loop does.
    learns: bool,
    key: Key,
    /// The locks that it holds in the dream.
    locks: Vec<ObjectId>,
}

/// What a thread has seen since it last changed something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Looks {
    list: Vec<Look>,
    /// Where the current round begins, if a whole round lies before it, and how many looks it has.
    round: Option<(usize, usize)>,
    dream: Option<Dream>,
    /// It waits for a change, in a loop that is endless or not.
    waits: Option<Habit>,
    /// It waits in a way that no guard expresses: until one of the looks of its last round is news.
    is_held: bool,
    is_news: bool,
    rounds_in_vain: u32,
}

impl Looks {
    /// The thread has performed an operation.
    pub(super) fn goes_on(&mut self) {
        self.waits = None;
        self.is_held = false;
        self.is_news = false;
    }

    pub(super) fn note_news(&mut self, is_news: bool) {
        self.is_news = is_news;
    }

    fn forget(&mut self) {
        self.list.clear();
        self.round = None;
        self.rounds_in_vain = 0;
    }

    /// The places of the last round.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        let (start, period) = self.round.unwrap_or_default();
        let last = self.list.get(start.saturating_sub(period)..start);
        last.unwrap_or_default().iter().map(|look| look.at)
    }

    /// How many rounds in a row have shown nothing new, although another thread did something.
    pub(super) fn rounds_in_vain(&self) -> u32 {
        self.rounds_in_vain
    }

    /// Whether the thread waits for a change that never comes, when no thread can go on. `None` if it
    /// waits for something else; false if it would give up instead.
    pub(super) fn spins(&self) -> Option<bool> {
        self.waits.map(|habit| habit == Habit::Endless)
    }

    /// The words at which it has looked in its last round.
    fn watched(&self) -> impl Iterator<Item = (usize, Source)> + '_ {
        let (start, period) = self.round.unwrap_or_default();
        let last = self.list.get(start.saturating_sub(period)..start);
        let last = last.unwrap_or_default().iter();
        last.map(|look| (look.word, look.outcome.from))
    }
}

/// A look without what may happen for no reason: that is not the same each time.
fn plain(op: Op) -> Op {
    op.spuriously(false)
}

/// What comes of an announced look.
enum Next {
    /// The thread sees what it saw before.
    Again(Outcome),
    /// It performs this.
    Goes(Op, Option<Waiting>),
}

impl Run {
    /// Performs a load, or a read-modify-write that may change nothing.
    pub(crate) fn access(&self, object: ObjectId, op: Op, at: Place) -> Outcome {
        let outcome = match self.before_look(object, op, Sees::Value, at) {
            Next::Again(outcome) => return outcome,
            Next::Goes(op, waiting) => self.announce(op, waiting, at),
        };
        let is_spurious = matches!(
            op,
            Op::Update {
                change: Change::CompareExchange(..),
                ..
            }
        ) && outcome.choice > 0;
        match outcome.written {
            Some(written) if written != outcome.read => self.acted(),
            // It looks again without having seen anything.
            _ if is_spurious => self.acted(),
            _ => self.looked(op, Sees::Value, outcome, at),
        }
        outcome
    }

    /// Performs the operation that takes a lock.
    pub(crate) fn take(
        &self,
        object: ObjectId,
        op: Op,
        waiting: Option<Waiting>,
        at: Place,
    ) -> Outcome {
        let outcome = match self.before_look(object, op, Sees::News, at) {
            Next::Again(outcome) => {
                let me = self.me();
                let mut state = self.state.borrow_mut();
                if let Some(dream) = &mut state.threads[me].looks.dream {
                    dream.locks.push(object);
                }
                return outcome;
            }
            Next::Goes(op, _) => self.announce(op, waiting, at),
        };
        self.looked(op, Sees::News, outcome, at);
        outcome
    }

    /// Whether a lock that is released was taken in a dream, so that there is nothing to perform.
    pub(crate) fn was_dreamt(&self, object: ObjectId) -> bool {
        let me = self.me();
        let mut state = self.state.borrow_mut();
        let Some(dream) = &mut state.threads[me].looks.dream else {
            return false;
        };
        let held = dream.locks.iter().position(|lock| *lock == object);
        held.map(|held| dream.locks.swap_remove(held)).is_some()
    }

    /// The current thread has changed something, so it is not in a loop that only waits.
    pub(crate) fn acted(&self) {
        self.loop_is_over();
        let me = self.me();
        let mut state = self.state.borrow_mut();
        state.threads[me].looks.forget();
        // Whoever acts may end the wait of the others.
        for thread in &mut state.threads {
            thread.looks.rounds_in_vain = 0;
        }
    }

    fn looked(&self, op: Op, sees: Sees, outcome: Outcome, at: Place) {
        let me = self.me();
        let Some(word) = op.location() else { return };
        let looks = &mut self.state.borrow_mut().threads[me].looks;
        let is_news = looks.is_news;
        looks.list.push(Look {
            word,
            op: plain(op),
            at,
            sees,
            outcome,
            is_news,
        });
    }

    fn before_look(&self, object: ObjectId, op: Op, sees: Sees, at: Place) -> Next {
        let (announced, op) = (op, plain(op));
        if let Some(outcome) = self.dream_on(op, at) {
            return Next::Again(outcome);
        }
        let me = self.me();
        let mut state = self.state.borrow_mut();
        let looks = &mut state.threads[me].looks;
        if let Some((start, period)) = looks.round {
            let done = looks.list.len() - start;
            if done < period && looks.list[start - period + done].is(op, at) {
                return Next::Goes(announced, None);
            }
            looks.round = None;
            if done == period && looks.list[start].is(op, at) {
                let (before, round) = looks.list[start - period..].split_at(period);
                let mut pairs = round.iter().zip(before);
                let is_in_vain = pairs.all(|(now, then)| now.sees_the_same_as(then));
                if is_in_vain && !self.follows.get() {
                    // The execution without this round shows the same.
                    state.useless = true;
                    drop(state);
                    self.stop();
                }
                looks.rounds_in_vain = if is_in_vain {
                    looks.rounds_in_vain + 1
                } else {
                    0
                };
                looks.list.drain(..start);
            }
        }
        let recent = looks.list.len().saturating_sub(LONGEST);
        let start = looks.list[recent..]
            .iter()
            .rposition(|look| look.is(op, at));
        let Some(start) = start.map(|start| recent + start) else {
            return Next::Goes(announced, None);
        };
        let period = looks.list.len() - start;
        let round = &looks.list[start..];
        let has_locks = round.iter().any(|look| look.sees == Sees::News);
        let value = looks.list[start].outcome.read;
        let values = round.iter().map(Look::value).collect();
        let key: Key = (*at, values);
        drop(state);
        let habit = self.habits.borrow().0.get(&key).copied();
        match habit {
            None => return Next::Again(self.fall_asleep(op, start, true, key, at)),
            Some(Habit::GivesUp(rounds)) if rounds <= SHORT || has_locks => {
                return Next::Goes(announced, None);
            }
            Some(Habit::GivesUp(_)) => {
                if self.coin(["it looks until that changes", "it gives up"], at) {
                    return Next::Again(self.fall_asleep(op, start, false, key, at));
                }
            }
            Some(Habit::Endless) => {}
        }
        let mut state = self.state.borrow_mut();
        let looks = &mut state.threads[me].looks;
        looks.waits = habit;
        if period == 1 && sees == Sees::Value {
            let waiting = Waiting {
                wait: Wait::Change(object),
                is_timed: false,
                event: None,
            };
            let op = op.when(Guard::Differs(value));
            return Next::Goes(op, Some(waiting));
        }
        looks.is_held = true;
        looks.round = Some((looks.list.len(), period));
        let waiting = Waiting {
            wait: Wait::Change(object),
            is_timed: false,
            event: None,
        };
        Next::Goes(announced, Some(waiting))
    }

    fn fall_asleep(&self, op: Op, start: usize, learns: bool, key: Key, at: Place) -> Outcome {
        let me = self.me();
        {
            let looks = &mut self.state.borrow_mut().threads[me].looks;
            let period = looks.list.len() - start;
            looks.dream = Some(Dream {
                start,
                next: 0,
                period,
                rounds: 0,
                learns,
                key,
                locks: Vec::new(),
            });
        }
        match self.dream_on(op, at) {
            Some(outcome) => outcome,
            None => unreachable!("the dream begins with this look"),
        }
    }

    /// What a look sees in a dream.
    fn dream_on(&self, op: Op, at: Place) -> Option<Outcome> {
        let me = self.me();
        let mut state = self.state.borrow_mut();
        let looks = &mut state.threads[me].looks;
        let dream = looks.dream.as_mut()?;
        let period = dream.period;
        let look = looks.list[dream.start + dream.next];
        if !look.is(op, at) {
            drop(state);
            self.loop_is_over();
            return None;
        }
        dream.next = (dream.next + 1) % period;
        dream.rounds += u32::from(dream.next == 0);
        if dream.rounds <= ENDLESS {
            // It looks, although nothing is performed.
            state.points += u64::from(at.file() != state.scenario);
            return Some(look.outcome);
        }
        if dream.learns {
            let key = dream.key.clone();
            self.habits.borrow_mut().0.insert(key, Habit::Endless);
            state.again = true;
        } else {
            state.useless = true;
        }
        drop(state);
        self.stop()
    }

    /// The current thread does something else than to look again.
    pub(crate) fn loop_is_over(&self) {
        let me = self.me();
        let mut state = self.state.borrow_mut();
        let Some(thread) = state.threads.get_mut(me) else {
            return;
        };
        let Some(dream) = thread.looks.dream.take() else {
            return;
        };
        if dream.learns {
            let habit = Habit::GivesUp(dream.rounds);
            self.habits.borrow_mut().0.insert(dream.key, habit);
            state.again = true;
        } else {
            thread.looks.forget();
            return;
        }
        drop(state);
        self.stop()
    }

    /// Whether the current thread goes through a loop without performing anything.
    pub(crate) fn dreams(&self) -> bool {
        let me = self.me();
        let state = self.state.borrow();
        let thread = state.threads.get(me);
        thread.is_some_and(|thread| thread.looks.dream.is_some())
    }

    /// Whether a thread that looks again should let others go first: nothing that it looked at has
    /// changed.
    #[must_use]
    pub fn is_held(&self, state: &State, search: &Search, thread: usize) -> bool {
        let looks = &state.threads[thread].looks;
        let its_own = search.in_graph(thread);
        looks.is_held
            && !looks.watched().any(|(word, source)| {
                search
                    .newest(word)
                    .is_some_and(|newest| newest.thread != its_own && Some(newest) != source)
            })
    }

    /// A fence of the current thread. A loop that contains nothing else never gives another thread a
    /// turn: that is a failure.
    pub(crate) fn fence(&self, order: Ordering, at: Place) {
        if self.dreams() {
            return;
        }
        let me = self.me();
        let fences = {
            let thread = &mut self.state.borrow_mut().threads[me];
            thread.fences += 1;
            thread.fences
        };
        if fences > FENCES {
            let message = format!(
                "thread {} repeats a loop that contains only fences, at {}, so there is nothing to schedule. \
                 What it waits for is not in an atomic, so no other thread can tell it anything",
                letter(me),
                short_place(at)
            );
            self.fail(FailureKind::Spin, message, Some(at.into()));
        }
        // More fences in a row do no more than a few.
        if fences <= SHOWN_FENCES {
            self.perform(Op::Fence { order }, at);
            let mut event = super::event::Event::new(me, "fence", at);
            event.order = Some(order);
            self.log(event);
        }
    }
}
