//! How a judge reports what it found.

use records::{Evidence, Outcome, Place, Timeline};
use serde::{Deserialize, Serialize};

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
    /// What the threads did on that schedule.
    pub timeline: Option<Box<Timeline>>,
    /// What the kernel said about the process until then.
    pub evidence: Option<Box<Evidence>>,
}

impl Failing {
    /// A verdict with its cause, one sentence in words for a learner.
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

    /// Adds what the threads did on that schedule.
    #[must_use]
    pub fn timeline(mut self, timeline: Timeline) -> Self {
        self.timeline = Some(Box::new(timeline));
        self
    }

    /// Ends the test with this verdict. Only for the judge.
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
            write!(f, "\n\n{timeline}")?;
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
