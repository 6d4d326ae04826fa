//! What judge, warden and subject say to each other.
//!
//! ```text
//!  judge ──── Order, Report ─────▶ warden      (control)
//!    │                               │ fork, exec
//!    └──── Question, Reply ───────▶ subject    (questions)
//! ```
//!
//! On both lines the receiver checks which process wrote a message: the kernel
//! attests it (man 7 unix, `SCM_CREDENTIALS`).

use std::time::Duration;

use records::Heap;
use records::Place;
use serde::{Deserialize, Serialize};

use crate::part::Site;
use crate::subject::trouble::Trouble;
use crate::warden::starts::faults::Failure;

/// Descriptors at which the warden finds its lines when it starts.
pub(crate) const CONTROL: i32 = 3;
pub(crate) const QUESTIONS: i32 = 4;
pub(crate) const STDOUT: i32 = 5;
pub(crate) const STDERR: i32 = 6;
/// The open program of the subject, if the subject has a program of its own.
pub(crate) const PROGRAM: i32 = 7;

/// The environment variable that tells a process that it is the warden of one
/// subject: `test name`, a space, `subject name`.
pub(crate) const ROLE: &str = "PROCTOR_ROLE";

/// The environment variable with the path of the program that holds the
/// learner's code. Unset under `cargo test`, where one program plays all the
/// parts.
pub const SUBJECT: &str = "PROCTOR_SUBJECT";

/// From the warden to the judge.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The subject's process has been started.
    Ready {
        subject: i32,
        /// Whether starts of processes and threads are counted.
        counting: bool,
    },
    /// The subject ended.
    Ended(Ending),
    /// The counts until now, asked for by [`Order::Count`].
    Counts(Counts),
    /// What exists that outlives the process that made it, asked for by
    /// [`Order::List`].
    Left(Remains),
    /// Whether something was still alive after the warden had ended the
    /// subject, asked for by [`Order::Finish`].
    Outlived(bool),
    /// No subject could be started.
    Broken(String),
}

/// From the judge to the warden.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Report the counts.
    Count,
    /// Make calls fail, or with `None` make no call fail any more; then report
    /// the counts.
    Fail(Option<Failure>),
    /// Report what exists that outlives the process that made it.
    List,
    /// End the subject, and report whether any other descendant is alive.
    Finish,
}

/// What the warden saw at the system calls.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub processes: u32,
    pub threads: u32,
    /// Calls of `alarm` and `setitimer`: a signal may arrive at any time.
    pub alarms: u32,
    /// Starts refused because the limit of processes was reached.
    pub refused: u32,
    /// Calls that failed because the judge had ordered it.
    pub faults: u32,
}

/// What the descendants of a warden made and what still exists, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Remains {
    /// Shared memory, queues and semaphores.
    pub relics: Vec<String>,
    /// Files in the folder for temporary files.
    pub files: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ending {
    Exited(i32),
    Killed { signal: i32 },
}

/// From the judge to the subject.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Question {
    /// The first message: which part to play. Nothing that a program can read
    /// before its `main` runs (arguments, environment) says this.
    Hello {
        test: String,
        subject: String,
        key: u64,
    },
    /// A question to the learner's code.
    Ask { id: u64, payload: Vec<u8> },
    /// The last message: asks whether the subject is still there.
    Bye,
}

/// The number by which [`Question::Hello`] is answered.
pub(crate) const HELLO: u64 = u64::MAX;

/// The number by which [`Question::Bye`] is answered.
pub(crate) const BYE: u64 = u64::MAX - 1;

/// From the subject to the judge.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub id: u64,
    pub body: Body,
    pub usage: Usage,
    /// See [`seal`].
    pub seal: u64,
}

impl Reply {
    /// Whether the serving loop sent it.
    pub(crate) fn is_sealed(&self, key: u64) -> bool {
        self.seal == seal(key, self.id)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Body {
    /// In answer to [`Question::Hello`]: the [`signature`] of what this
    /// program's test exchanges.
    Ready {
        signature: u64,
    },
    /// In answer to [`Question::Bye`]: the code has returned from every question.
    Waiting,
    /// This program has no such test, or the test has no such subject.
    Unknown,
    Answer(Vec<u8>),
    Panicked {
        message: String,
        at: Option<Place>,
    },
    /// The answer, or the message of a panic, is longer than a message may be.
    TooLong {
        length: u64,
        limit: u64,
    },
    /// A process that is not the subject returned from the learner's code.
    RanOn,
    /// The question could not be decoded: the two binaries disagree.
    BadQuestion(String),
    /// From any process that calls [`witness`](crate::witness()).
    Witness(u64),
    /// From any process to which it happens.
    Trouble(Trouble),
}

/// What one question used: the difference of two calls of
/// `getrusage(RUSAGE_SELF)`, and the heap.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub voluntary: u64,
    pub involuntary: u64,
    pub minor_faults: u64,
    pub cpu: Duration,
    pub heap: Heap,
}

/// The names of the types of a subject's questions and answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Types {
    question: &'static str,
    answer: &'static str,
}

impl Types {
    pub(crate) fn of<Q, A>() -> Self {
        Types {
            question: std::any::type_name::<Q>(),
            answer: std::any::type_name::<A>(),
        }
    }
}

/// A hash of what a test and its subject exchange. It shows whether two
/// binaries that were built separately fit together. Their crates may have
/// different names.
pub(crate) fn signature(site: Site, subject: &str, types: Types) -> u64 {
    let own = format!("{}::", site.name.split("::").next().unwrap_or_default());
    let name = |name: &str| name.replace(&own, "crate::");
    let text = format!(
        "{} {subject} {} {}",
        site.test(),
        name(types.question),
        name(types.answer),
    );
    fnv(FNV_BASIS, text.as_bytes())
}

/// Marks a reply as one from the serving loop: only the loop gets the key.
///
/// The learner's code shares the loop's memory, so the protection is not
/// complete. It stops code that knows the format of the replies, but not code
/// that searches the stack for the key. So a test has to base its verdict on
/// more than an answer.
pub(crate) fn seal(key: u64, id: u64) -> u64 {
    fnv(
        FNV_BASIS ^ key,
        &[key.to_le_bytes(), id.to_le_bytes()].concat(),
    )
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: stable over compilations, unlike std's hasher, which promises nothing.
fn fnv(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
