//! A run in the middle: what each thread has done, and what it would do next.
//!
//! Whoever wants to be the scheduler asks for one position after another. The question is in the
//! environment variable [`POSITION`], the answer is written to a file, and each is one JSON object:
//!
//! ```
//! use interleave::position::Request;
//!
//! let request = Request::read(r#"{
//!     "scenario": "two_threads_add", "schedule": "a2", "run_on": false,
//!     "count": 2000, "answer": "/tmp/answer.json"
//! }"#);
//! assert_eq!(request.unwrap().schedule, "a2");
//! ```
//!
//! A run cannot be stopped and copied, so each position is a run of its own from the beginning.

use crate::exploration::{FailureKind, Place};
use crate::schedule;
use crate::source::Sources;
use crate::timeline::{Timeline, name, operation};
use interleave_model::kernel::{
    Run, State, failure::short_place, object::Kind, thread::Status, thread::letter,
};
use interleave_shuttled::explorer::{Counted, Found, Plan, Then};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The environment variable that asks for a position: a [`Request`].
pub const POSITION: &str = "INTERLEAVE_POSITION";

/// Why an exploration that was asked for a position has no verdict.
pub(crate) const TOLD: &str = "a position was asked for, no verdict";

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Of this scenario only.
    pub scenario: Option<String>,
    /// After these steps, such as `a3b2a`; may be empty.
    pub schedule: String,
    /// Go on from there while there is nothing to choose.
    pub run_on: bool,
    /// Count at most so many of the schedules that begin like this; 0 to run this one alone, which
    /// then cannot tell what the threads would do next.
    pub count: u64,
    /// The file that the answer is written to.
    pub answer: PathBuf,
}

/// Where a run is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Position {
    /// The steps until here: those asked for, and those that followed by themselves.
    pub schedule: String,
    /// The shortest string on which a replay comes by here and goes on to the end.
    pub replay: String,
    /// The threads, by number.
    pub threads: Vec<Thread>,
    /// Atomics, locks and payloads that were used.
    pub objects: Vec<Object>,
    /// What happened until here.
    pub timeline: Timeline,
    /// How the run ended, if it has.
    pub end: Option<End>,
    /// The schedules that begin like this.
    pub below: Option<Below>,
}

/// One thread.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Thread {
    /// Its letter, and its name if it has one.
    pub name: String,
    /// Whether it may be scheduled.
    pub can_run: bool,
    /// Whether it has ended, waits, or what else.
    pub state: ThreadState,
    /// What it waits for, if it does.
    pub waits_for: Option<String>,
    /// Where it is, as `src/lib.rs:12`.
    pub place: String,
    /// The text of that line, if the file could be read.
    pub source: String,
    /// What it would do next, if it can run and that can be told.
    pub next: Option<String>,
}

/// What a thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThreadState {
    /// It can go on.
    Ready,
    /// It would only look again at what has not changed.
    Spins,
    /// Another thread must wake it.
    Waits,
    /// Another thread may wake it; or scheduling it means that its time is up.
    WaitsForTime,
    /// It has ended.
    Ended,
}

/// An object that threads share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Object {
    /// Its name, as `AtomicBool #1`.
    pub name: String,
    /// Where it was made.
    pub made: String,
    /// Its value, or who holds it.
    pub value: String,
}

/// How a run ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum End {
    /// Well.
    Held,
    /// By a failure.
    Failed {
        /// Which kind.
        kind: FailureKind,
        /// The cause, over one or several lines.
        message: String,
        /// Where.
        at: Option<Place>,
    },
    /// Nobody can tell: why.
    NotJudged(String),
}

/// The schedules that begin in the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Below {
    /// How many different ones were found.
    pub schedules: u64,
    /// How many of them fail.
    pub failing: u64,
    /// Whether these are all.
    pub complete: bool,
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// With a sentence, if it is none.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("{POSITION} asks for nothing: {error}"))
    }

    fn plan(&self, prefix: Vec<u8>, then: Then) -> Plan {
        Plan {
            scenario: self.scenario.clone(),
            prefix,
            then,
        }
    }
}

/// What `thread` would do next: a run that goes one step further tells.
fn next_of(thread: usize, found: &Found, explore: impl Fn(Vec<u8>) -> Found) -> Option<String> {
    if std::thread::panicking() {
        return None;
    }
    let until_now = found.run.state.borrow().log.len();
    let mut prefix = found.schedule.clone();
    prefix.push(u8::try_from(thread).ok()?);
    let further = explore(prefix);
    let state = further.run.state.borrow();
    let mut events = state.log.iter().skip(until_now);
    events
        .find(|event| event.thread == thread)
        .map(|event| operation(&state, event))
}

impl Position {
    /// Runs what is needed with `explore`.
    pub(crate) fn find(request: &Request, explore: impl Fn(Plan) -> Found) -> Result<Self, String> {
        let prefix = match request.schedule.as_str() {
            "" => Vec::new(),
            steps => schedule::read(steps)?,
        };
        let run_on = request.run_on;
        let found = explore(request.plan(prefix, Then::Stand { run_on }));
        if found.is_other {
            return Err(found.not_judged.unwrap_or_default());
        }
        let mut position = Self::of(&found);
        if request.count == 0 {
            return Ok(position);
        }
        for &thread in found.standing.iter().flatten() {
            position.threads[thread].next = next_of(thread, &found, |prefix| {
                explore(request.plan(prefix, Then::Stand { run_on: false }))
            });
        }
        // A run that was given up while it unwound leaves nothing to run another one in.
        if found.standing.is_some() && !std::thread::panicking() {
            let counted = explore(request.plan(found.schedule.clone(), Then::Count)).counted;
            position.below = Some(counted.into());
        }
        Ok(position)
    }

    /// Writes the answer, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let partial = path.with_extension("partial");
        serde_json::to_vec(self)
            .map_err(std::io::Error::from)
            .and_then(|answer| std::fs::write(&partial, answer))
            .and_then(|()| std::fs::rename(&partial, path))
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }

    fn of(found: &Found) -> Self {
        let state = found.run.state.borrow();
        let end = end(found, &state);
        let failed = matches!(end, Some(End::Failed { .. }));
        let able = found.standing.as_deref().unwrap_or_default();
        let mut sources = Sources::default();
        let threads = (0..state.threads.len())
            .map(|number| Thread::of(number, &state, able, &mut sources))
            .collect();
        let objects = (0..state.objects.len())
            .filter_map(|id| Object::of(id, &found.run, &state))
            .collect();
        let decided = found.decided.max(1).min(found.schedule.len());
        Self {
            schedule: schedule::write(&found.schedule),
            replay: schedule::write_named(state.named, &found.schedule[..decided]),
            threads,
            objects,
            timeline: Timeline::of(&state, failed),
            end,
            below: None,
        }
    }
}

fn end(found: &Found, state: &State) -> Option<End> {
    match (&found.failure, &found.not_judged) {
        (Some((failure, _)), _) => Some(End::Failed {
            kind: failure.kind.into(),
            message: failure.message.clone(),
            at: failure.at.clone().map(Into::into),
        }),
        (None, Some(reason)) => Some(End::NotJudged(reason.clone())),
        (None, None) if found.standing.is_some() => None,
        (None, None) if state.cut => Some(End::NotJudged(format!(
            "it has taken {} steps, more than are followed",
            state.steps
        ))),
        (None, None) => Some(End::Held),
    }
}

impl Thread {
    fn of(number: usize, state: &State, able: &[usize], sources: &mut Sources) -> Self {
        let thread = &state.threads[number];
        Self {
            name: name(state, number),
            can_run: able.contains(&number),
            state: match thread.status {
                Status::Ready if thread.spinning => ThreadState::Spins,
                Status::Ready => ThreadState::Ready,
                Status::Blocked(_) => ThreadState::Waits,
                Status::Timed(..) => ThreadState::WaitsForTime,
                Status::Finished => ThreadState::Ended,
            },
            waits_for: state.waits_for(number),
            place: short_place(thread.at),
            source: sources.line(thread.at.file(), thread.at.line()),
            next: None,
        }
    }
}

impl Object {
    /// `None` if it has nothing to show.
    fn of(id: usize, run: &Run, state: &State) -> Option<Self> {
        let object = &state.objects[id];
        let number = u32::try_from(id).ok()?;
        let letters = |threads: &[usize]| {
            let letters: Vec<_> = threads.iter().map(|thread| letter(*thread)).collect();
            letters.join(", ")
        };
        let value = match object.kind {
            Kind::AtomicBool | Kind::AtomicInt(..) | Kind::AtomicPtr => {
                object.kind.show(run.engine.peek(number))
            }
            Kind::Mutex | Kind::RwLock => match object.owner {
                Some(owner) => format!("held by {}", letter(owner)),
                None if !object.readers.is_empty() => {
                    format!("read by {}", letters(&object.readers))
                }
                None => "free".to_owned(),
            },
            Kind::Payload if !object.inside.is_empty() => {
                let inside: Vec<_> = object.inside.iter().map(|(thread, ..)| *thread).collect();
                format!("in use by {}", letters(&inside))
            }
            _ => return None,
        };
        Some(Self {
            name: state.object_name(number),
            made: short_place(object.made),
            value,
        })
    }
}

impl From<Counted> for Below {
    fn from(counted: Counted) -> Self {
        Self {
            schedules: counted.schedules,
            failing: counted.failing,
            complete: counted.complete,
        }
    }
}
