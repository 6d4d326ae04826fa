//! What is said of a claim.

use context_switch::sampling::SamplesError;
use context_switch::{PinError, PingPongError};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::{fmt, io};

/// What became of a claim on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is so.
    Holds,
    /// It is so under a condition, which the reason names.
    HoldsWhen,
    /// It is not so.
    DoesNotHold,
    /// The machine did other things meanwhile: no verdict.
    TooNoisy,
    /// The machine does not allow the experiment: no verdict.
    Skipped,
}

impl Verdict {
    /// Whether something was found out.
    #[must_use]
    pub fn says_something(self) -> bool {
        !matches!(self, Verdict::TooNoisy | Verdict::Skipped)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Holds => "holds",
            Verdict::HoldsWhen => "holds when",
            Verdict::DoesNotHold => "does not hold",
            Verdict::TooNoisy => "too noisy to say",
            Verdict::Skipped => "skipped",
        })
    }
}

/// A verdict with its reason: a sentence, or after "holds when" the condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
}

/// What an experiment returns.
pub type Judged = Result<Judgement, Unmeasured>;

fn judged(verdict: Verdict, reason: impl Into<String>) -> Judged {
    Ok(Judgement {
        verdict,
        reason: reason.into(),
    })
}

pub(crate) fn holds(reason: impl Into<String>) -> Judged {
    judged(Verdict::Holds, reason)
}

/// The reason goes on after "holds when".
pub(crate) fn holds_when(condition: impl Into<String>) -> Judged {
    judged(Verdict::HoldsWhen, condition)
}

pub(crate) fn does_not_hold(reason: impl Into<String>) -> Judged {
    judged(Verdict::DoesNotHold, reason)
}

pub(crate) fn too_noisy(reason: impl Into<String>) -> Judged {
    Err(Unmeasured::Noisy(reason.into()))
}

pub(crate) fn skipped(reason: impl Into<String>) -> Judged {
    Err(Unmeasured::Refused(reason.into()))
}

/// Why there is no verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmeasured {
    /// The machine lacks or forbids something.
    Refused(String),
    /// The measurements do not tell.
    Noisy(String),
}

impl From<Unmeasured> for Judgement {
    fn from(unmeasured: Unmeasured) -> Judgement {
        let (verdict, reason) = match unmeasured {
            Unmeasured::Refused(reason) => (Verdict::Skipped, reason),
            Unmeasured::Noisy(reason) => (Verdict::TooNoisy, reason),
        };
        Judgement { verdict, reason }
    }
}

impl From<io::Error> for Unmeasured {
    fn from(error: io::Error) -> Unmeasured {
        Unmeasured::Refused(format!("the machine refused the experiment: {error}"))
    }
}

impl From<Errno> for Unmeasured {
    fn from(errno: Errno) -> Unmeasured {
        io::Error::from(errno).into()
    }
}

impl From<SamplesError> for Unmeasured {
    fn from(error: SamplesError) -> Unmeasured {
        Unmeasured::Noisy(format!("the samples are of no use: {error}"))
    }
}

impl From<PinError> for Unmeasured {
    fn from(error: PinError) -> Unmeasured {
        Unmeasured::Refused(error.to_string())
    }
}

impl From<PingPongError> for Unmeasured {
    fn from(error: PingPongError) -> Unmeasured {
        Unmeasured::Refused(error.to_string())
    }
}
