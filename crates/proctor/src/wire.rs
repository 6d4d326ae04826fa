//! What judge, warden and subject say to each other.
//!
//! ```text
//!  judge ──── Order, Report ─────▶ warden      (control)
//!    │                               │ fork
//!    └──── Question, Reply ───────▶ subject    (questions; the sender's pid is checked)
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::outcome::Place;

/// Descriptors at which the warden finds its lines when it starts.
pub(crate) const CONTROL: i32 = 3;
pub(crate) const QUESTIONS: i32 = 4;
pub(crate) const STDOUT: i32 = 5;
pub(crate) const STDERR: i32 = 6;

/// Tells a process started by a judge which subject it is to serve:
/// `test name`, a space, `subject name`.
pub(crate) const ROLE: &str = "PROCTOR_ROLE";

/// From the warden to the judge.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The subject stands and waits for questions.
    Ready {
        subject: i32,
        signature: u64,
        /// Whether starts of processes and threads are counted.
        counting: bool,
    },
    /// The subject ended.
    Ended(Ending),
    /// The counts until now, asked for by [`Order::Count`].
    Counts(Counts),
    /// Whether something still lived when the subject had been ended, asked
    /// for by [`Order::Finish`].
    Left(bool),
    /// No subject could be started.
    Broken(String),
}

/// From the judge to the warden.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Report the counts.
    Count,
    /// End the subject, and report whether anything else lives below.
    Finish,
}

/// What the warden saw at the system calls.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub processes: u32,
    pub threads: u32,
    /// Calls of `alarm` and `setitimer`: a signal may come out of the blue.
    pub alarms: u32,
    /// Starts refused because the limit of processes was reached.
    pub refused: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ending {
    Exited(i32),
    Killed { signal: i32 },
}

/// From the judge to the subject.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    pub id: u64,
    pub payload: Vec<u8>,
}

/// From the subject to the judge.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub id: u64,
    pub body: Body,
    pub usage: Usage,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Body {
    Answer(Vec<u8>),
    Panicked {
        message: String,
        at: Option<Place>,
    },
    /// A process that is not the subject came back from the learner's code.
    RanOn,
    /// The question could not be decoded: the two binaries disagree.
    BadQuestion(String),
}

/// `getrusage(RUSAGE_SELF)`, the difference over one question.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub voluntary: u64,
    pub involuntary: u64,
    pub minor_faults: u64,
    pub cpu: Duration,
}

/// A hash of what a test and its subject exchange, to match binaries that
/// were built apart.
pub(crate) fn signature<Q, A>(test: &str, subject: &str) -> u64 {
    let text = format!(
        "{test} {subject} {} {}",
        std::any::type_name::<Q>(),
        std::any::type_name::<A>()
    );
    // FNV-1a: stable over compilations, unlike std's hasher, which promises nothing.
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
