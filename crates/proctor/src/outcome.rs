//! What a test can find, and how a judge says it.

use serde::{Deserialize, Serialize};

use crate::evidence::Evidence;

/// How a judged test ended.
///
/// [`Pass`](Outcome::Pass) is the only one that passes. [`NotJudged`](Outcome::NotJudged)
/// is neither a pass nor a fail: the machine or the test could not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every demand of the test was met.
    Pass,
    /// The code answered, and the answer or what was observed is wrong.
    Fail,
    /// The code panicked (a `todo!()` too).
    Panic,
    /// A signal ended the process: a fault, an abort, a kill.
    Crash,
    /// The process ended itself before it answered, with whatever status.
    Exit,
    /// Proved: every thread waits for another, for ever.
    Deadlock,
    /// Proved: a thread runs in a circle in which nothing changes.
    Spin,
    /// No answer until the deadline, and nothing more could be proved.
    Timeout,
    /// Processes were left behind.
    Leak,
    /// A limit of the test was met: CPU time, memory, processes, output.
    Limit,
    /// The source uses what this exercise does not allow.
    Refused,
    /// The source does not compile.
    CompileError,
    /// No verdict was possible; the cause says why.
    NotJudged,
}

impl Outcome {
    /// The name used in JSON, in patch headers and in the catalogue.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::Panic => "panic",
            Outcome::Crash => "crash",
            Outcome::Exit => "exit",
            Outcome::Deadlock => "deadlock",
            Outcome::Spin => "spin",
            Outcome::Timeout => "timeout",
            Outcome::Leak => "leak",
            Outcome::Limit => "limit",
            Outcome::Refused => "refused",
            Outcome::CompileError => "compile-error",
            Outcome::NotJudged => "not-judged",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The path as the compiler was given it.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A verdict other than a pass, with everything that explains it.
///
/// ```no_run
/// use proctor::{Failing, Outcome};
/// Failing::new(Outcome::Deadlock, "both threads wait for the other's lock")
///     .schedule("a3b2a")
///     .at("src/lib.rs", 12)
///     .end();
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failing {
    /// What was found; never `Pass`.
    pub outcome: Outcome,
    /// The first line is the cause in one sentence; further lines explain it.
    pub cause: String,
    /// Where in the code, if known.
    pub at: Option<Place>,
    /// The schedule that replays it, if one was explored.
    pub schedule: Option<String>,
    /// A picture of that schedule, one column a thread.
    pub timeline: Option<String>,
    /// What the kernel said of the process until then.
    pub evidence: Option<Box<Evidence>>,
}

impl Failing {
    /// A verdict with its cause, one sentence in a learner's words.
    pub fn new(outcome: Outcome, cause: impl Into<String>) -> Self {
        Failing {
            outcome,
            cause: cause.into(),
            at: None,
            schedule: None,
            timeline: None,
            evidence: None,
        }
    }

    /// Adds the place in the code.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: u32) -> Self {
        self.at = Some(Place {
            file: file.into(),
            line,
        });
        self
    }

    /// Adds the schedule string that `cargo course replay` takes.
    #[must_use]
    pub fn schedule(mut self, schedule: impl Into<String>) -> Self {
        self.schedule = Some(schedule.into());
        self
    }

    /// Adds the rendered timeline.
    #[must_use]
    pub fn timeline(mut self, timeline: impl Into<String>) -> Self {
        self.timeline = Some(timeline.into());
        self
    }

    /// Ends the test with this verdict. In the judge only.
    #[track_caller]
    pub fn end(self) -> ! {
        std::panic::resume_unwind(Box::new(self))
    }
}

impl std::fmt::Display for Failing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.outcome, self.cause)?;
        if let Some(place) = &self.at {
            write!(f, "\n  at {place}")?;
        }
        if let Some(timeline) = &self.timeline {
            write!(f, "\n\n{}", timeline.trim_end())?;
        }
        if let Some(schedule) = &self.schedule {
            write!(f, "\n\n  schedule: {schedule}")?;
        }
        Ok(())
    }
}

/// Ends the test with a verdict: short for `Failing::new(outcome, cause).end()`.
#[track_caller]
pub fn fail(outcome: Outcome, cause: impl Into<String>) -> ! {
    Failing::new(outcome, cause).end()
}
