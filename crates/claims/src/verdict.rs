//! The verdict on a claim, and its reason.

use std::io;

use context_switch::sampling::SamplesError;
use context_switch::{PinError, PingPongError};
use nix::errno::Errno;
use records::ledger::Verdict;

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason, in one or more sentences. After the verdict "holds when" it
    /// begins with the condition.
    pub reason: String,
}

/// What an experiment returns: a judgement, or why there is none.
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

/// The text is printed after the words "holds when", so it begins with a
/// condition.
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

/// Why the experiment gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmeasured {
    /// The machine lacks or forbids something that the experiment needs.
    Refused(String),
    /// The measurements are too noisy for an answer.
    Noisy(String),
    /// The experiment hung or crashed.
    Unfinished(String),
}

impl From<Unmeasured> for Judgement {
    fn from(unmeasured: Unmeasured) -> Judgement {
        let (verdict, reason) = match unmeasured {
            Unmeasured::Refused(reason) => (Verdict::Skipped, reason),
            Unmeasured::Noisy(reason) => (Verdict::TooNoisy, reason),
            Unmeasured::Unfinished(reason) => (Verdict::Unfinished, reason),
        };
        Judgement { verdict, reason }
    }
}

impl From<io::Error> for Unmeasured {
    fn from(error: io::Error) -> Unmeasured {
        Unmeasured::Refused(format!(
            "This machine refused something that the experiment needs: {error}"
        ))
    }
}

impl From<Errno> for Unmeasured {
    fn from(errno: Errno) -> Unmeasured {
        io::Error::from(errno).into()
    }
}

impl From<SamplesError> for Unmeasured {
    fn from(error: SamplesError) -> Unmeasured {
        Unmeasured::Noisy(format!("The samples cannot be used: {error}"))
    }
}

impl From<PinError> for Unmeasured {
    fn from(error: PinError) -> Unmeasured {
        Unmeasured::Refused(format!("The experiment could not run: {error}"))
    }
}

impl From<PingPongError> for Unmeasured {
    fn from(error: PingPongError) -> Unmeasured {
        Unmeasured::Refused(format!("The experiment could not run: {error}"))
    }
}
