//! A run in the middle: what each thread has done, and what it would do next.
//!
//! A program that lets a person be the scheduler asks for one position after another. The request
//! is in the environment variable [`POSITION`], and the answer goes to a file. Each is one JSON
//! object:
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

/// What a program asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    /// Only this scenario is meant; any scenario if `None`.
    pub scenario: Option<String>,
    /// The steps after which to look, such as `a3b~1a`; may be empty.
    pub schedule: String,
    /// Whether to go on from there while there is nothing to choose.
    pub run_on: bool,
    /// How many of the executions that begin like this to count at most. With 0, only this one is
    /// run; the answer then does not say what the threads would do next.
    pub count: u64,
    /// The file that the answer is written to.
    pub answer: PathBuf,
}

/// Where a run is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// The steps until here: those of the request, and those that followed without a choice.
    pub schedule: String,
    /// The shortest string with which a replay reaches this position and goes on to the end.
    pub replay: String,
    /// The threads, by number.
    pub threads: Vec<Thread>,
    /// Atomics, locks and payloads that were used.
    pub objects: Vec<Object>,
    /// What happened until here.
    pub timeline: Timeline,
    /// How the run ended, if it has.
    pub end: Option<End>,
    /// The executions that begin with the same steps.
    pub below: Option<Below>,
}

/// One thread.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Thread {
    /// Its letter, and its name if it has one.
    pub name: String,
    /// Whether it can go on, waits, or has ended.
    pub state: ThreadState,
    /// What it waits for, if it does.
    pub waits_for: Option<String>,
    /// Where it is, such as `src/lib.rs:12`.
    pub place: String,
    /// The text of that line, if the file could be read.
    pub source: String,
    /// In which ways it can go on; none if it cannot. The ordinary one comes first.
    pub ways: Vec<Way>,
}

/// One way in which a thread can go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The step that takes it, such as `b` or `b~1`.
    pub step: String,
    /// What happens then, if that is known.
    pub words: String,
}

/// The state of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThreadState {
    /// It can go on.
    Ready,
    /// It would only read again what has not changed.
    Spins,
    /// Another thread must wake it.
    Waits,
    /// Another thread may wake it; to schedule it means that its time is up.
    WaitsForTime,
    /// It has ended.
    Ended,
}

/// An object that threads share.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Object {
    /// Its name, such as `AtomicBool #1`.
    pub name: String,
    /// Where it was made.
    pub made: String,
    /// Its value, or which threads hold it.
    pub value: String,
}

/// How a run ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum End {
    /// Nothing went wrong.
    Held,
    /// With a failure.
    Failed {
        /// Its kind.
        kind: FailureKind,
        /// The cause, in one or several lines.
        message: String,
        /// Where.
        at: Option<Place>,
    },
    /// There is no verdict, for this reason.
    NotJudged(String),
}

/// The executions that begin with these steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Below {
    /// How many different ones were found.
    pub executions: u64,
    /// How many of them fail.
    pub failing: u64,
    /// Whether these are all that there are.
    pub complete: bool,
}

impl Thread {
    /// Whether it may be scheduled.
    pub fn can_run(&self) -> bool {
        !self.ways.is_empty()
    }

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
    /// Threads run for ever without making progress.
    Spin,
    /// Two threads used the payload at the same time, or nothing orders their accesses.
    Race,
    /// The scenario has ended, but a thread that it started waits for ever.
    Leak,
}
