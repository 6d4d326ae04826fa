//! A run in the middle: what each thread has done, and what it would do next.
//!
//! Whoever wants to be the scheduler asks for one position after another. The question is in the
//! environment variable [`POSITION`], the answer is written to a file, and each is one JSON object:
//!
//! ```
//! use records::position::Request;
//!
//!
//! let request = serde_json::from_str::<Request>(r#"{
//!     "scenario": "two_threads_add", "schedule": "a2", "run_on": false,
//!     "count": 2000, "answer": "/tmp/answer.json"
//! }"#);
//! assert_eq!(request.unwrap().schedule, "a2");
//! ```
//!
//! A run cannot be stopped and copied, so each position is a run of its own from the beginning.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Place, Timeline};

/// The environment variable that asks for a position: a [`Request`].
pub const POSITION: &str = "INTERLEAVE_POSITION";

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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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

impl Thread {
    /// The letter by which it is scheduled.
    pub fn letter(&self) -> char {
        self.name.chars().next().unwrap_or('?')
    }
}

/// The kind of a failure that an exploration found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The code under test panicked.
    Panic,
    /// An assertion of the scenario did not hold.
    Assertion,
    /// No thread can ever run again.
    Deadlock,
    /// Threads run for ever without getting anywhere.
    Spin,
    /// Two threads were inside the payload at once, or nothing orders their accesses.
    Race,
    /// The scenario has ended, but a thread that it started waits for ever.
    Leak,
}
