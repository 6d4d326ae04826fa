//! Runs one execution of the scenario.

use std::rc::Rc;
use std::sync::Arc;

use interleave_search::{End, Op};

use super::standstill::Standstill;
use super::thread::{Status, letter};
use super::{NOBODY, Run};

/// The code that is explored.
pub type Scenario = Arc<dyn Fn() + Send + Sync>;

/// After so many steps in a row, a thread lets others go first. A loop may wait for another thread
/// and still change something each time round.
const QUANTUM: u32 = 60;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Held,
    /// With a failure, which is in the state.
    Failed,
    /// Another run shows the same.
    Repeated,
    /// It must be run again: something was learned about a loop.
    Again,
    /// It took more steps than are allowed.
    Cut,
    /// No verdict is possible, for this reason.
    NotJudged(String),
    /// It is another scenario than the one that is wanted.
    Other,
    /// The guide wanted it to stand still here.
    Standing,
}

/// Decides what a run by hand does.
pub trait Guide {
    /// Before a turn: `next` is what each thread is about to do. It may tell the search of the run
    /// what to do. False to stand still here.
    fn goes_on(&mut self, run: &Run, next: &[(usize, Op)]) -> bool;
}

/// The search decides.
#[derive(Clone, Copy, Debug)]
pub struct Unguided;

impl Guide for Unguided {
    fn goes_on(&mut self, _: &Run, _: &[(usize, Op)]) -> bool {
        true
    }
}

impl Run {
    /// Runs the execution that the search has begun.
    pub fn execute(self: &Rc<Self>, scenario: &Scenario, guide: &mut dyn Guide) -> Ended {
        self.begin();
        let in_thread = Rc::clone(self);
        let scenario = Arc::clone(scenario);
        self.begin_main();
        self.add_fiber(Box::new(move || in_thread.run_scenario(&*scenario)));
        let ended = self.turns(guide);
        self.give_up_fibers();
        ended
    }

    fn turns(&self, guide: &mut dyn Guide) -> Ended {
        loop {
            if let Some(ended) = self.has_stopped() {
                return ended;
            }
            // No other thread can see what a thread does before its first operation.
            let fresh = {
                let mut state = self.state.borrow_mut();
                let mut threads = state.threads.iter_mut();
                let fresh = threads.position(|thread| thread.status == Status::Fresh);
                if let Some(fresh) = fresh {
                    state.threads[fresh].status = Status::Alive;
                }
                fresh
            };
            if let Some(fresh) = fresh {
                self.run_on(fresh, None);
                continue;
            }
            let next: Vec<(usize, Op)> = {
                let state = self.state.borrow();
                let threads = state.threads.iter().enumerate();
                let next: Vec<_> = threads
                    .filter_map(|(number, thread)| Some((number, thread.is_about_to()?)))
                    .collect();
                let mut search = self.search.borrow_mut();
                let (tired, steps) = state.streak;
                let is_tired = steps > QUANTUM;
                let mut others_can = false;
                for (number, op) in &next {
                    let held = self.is_held(&state, &search, *number);
                    search.hold(*number, held);
                    others_can |= *number != tired && !held && !search.must_wait(*op);
                }
                if is_tired && others_can {
                    search.hold(tired, true);
                }
                drop((search, state));
                next
            };
            if self.state.borrow().is_other() {
                return Ended::Other;
            }
            if !guide.goes_on(self, &next) {
                return Ended::Standing;
            }
            let turn = self.search.borrow_mut().turn(&next);
            match turn {
                Ok(thread) => {
                    let op = next.iter().find(|(number, _)| *number == thread);
                    let Some((_, op)) = op else {
                        return Ended::NotJudged("the search named a thread that has ended".into());
                    };
                    let outcome = self.search.borrow_mut().perform(thread, *op);
                    match outcome {
                        Ok(outcome) => {
                            self.note_turn(thread);
                            self.run_on(thread, Some(outcome));
                        }
                        Err(stray) => return Ended::NotJudged(self.astray(thread, stray)),
                    }
                }
                Err(End::Finished) => return self.at_the_end(),
                Err(End::Blocked) => {
                    return match self.standstill() {
                        Standstill::Allowed => self.at_the_end(),
                        Standstill::Failed => Ended::Failed,
                        Standstill::Elsewhere => Ended::Repeated,
                    };
                }
                Err(End::Repeated) => return Ended::Repeated,
                Err(End::Astray) => {
                    let planned = self.search.borrow().planned();
                    let thread = planned.map_or(0, |step| step.thread);
                    return Ended::NotJudged(self.does_not_fit(thread));
                }
            }
        }
    }

    /// Whether a thread can do this now, and would not only see again what it has seen.
    #[must_use]
    pub fn can_go_on(&self, thread: usize, op: Op) -> bool {
        let search = self.search.borrow();
        !search.must_wait(op) && !self.is_held(&self.state.borrow(), &search, thread)
    }

    /// Whether a thread does nothing more than to end.
    #[must_use]
    pub fn only_ends(&self, thread: usize) -> bool {
        self.state.borrow().threads[thread].ends
    }

    /// Whether what a thread does next is nothing but one of two ways to go on.
    #[must_use]
    pub fn has_two_ways(&self, thread: usize) -> bool {
        self.state.borrow().threads[thread].ways != ["", ""]
    }

    fn note_turn(&self, thread: usize) {
        let streak = &mut self.state.borrow_mut().streak;
        *streak = match *streak {
            (last, count) if last == thread => (thread, count + 1),
            _ => (thread, 1),
        };
    }

    fn run_on(&self, thread: usize, outcome: Option<interleave_search::Outcome>) {
        if self.resume(thread, outcome) {
            self.search.borrow_mut().ended(thread);
        }
        self.current.set(NOBODY);
    }

    fn has_stopped(&self) -> Option<Ended> {
        let state = self.state.borrow();
        if !state.stopping {
            return None;
        }
        Some(if state.is_other() {
            Ended::Other
        } else if state.again {
            Ended::Again
        } else if state.useless {
            Ended::Repeated
        } else if let Some(why) = &state.gave_up {
            Ended::NotJudged(why.clone())
        } else if state.failure.is_some() {
            Ended::Failed
        } else {
            Ended::Cut
        })
    }

    /// Every thread has ended, or may wait for ever.
    fn at_the_end(&self) -> Ended {
        match self.end_of_execution() {
            Some(failure) => {
                self.note_failure(failure.kind, failure.message, failure.at);
                Ended::Failed
            }
            None => Ended::Held,
        }
    }

    fn astray(&self, thread: usize, stray: interleave_search::Stray) -> String {
        let state = self.state.borrow();
        let place = super::failure::short_place(state.threads[thread].at);
        match stray {
            interleave_search::Stray::Unrepeatable { .. } => format!(
                "the code does not repeat itself: at {place} it did something else than before, although it had read the same values. \
                 Does it use the real time, random numbers, a file, or memory that is not modelled?"
            ),
            interleave_search::Stray::Impossible { .. } => {
                drop(state);
                self.does_not_fit(thread)
            }
        }
    }

    fn does_not_fit(&self, thread: usize) -> String {
        format!(
            "the schedule does not fit this code: at its step {}, thread {} cannot run like that; the code has probably changed since the schedule was found",
            self.search.borrow().steps().len() + 1,
            letter(thread)
        )
    }
}
