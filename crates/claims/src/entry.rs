//! One line of the ledger.

use crate::{Claim, Judgement, Lesson, Record, Truth, Verdict};
use serde::{Deserialize, Serialize};

/// A claim, measured: what `--json` prints for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The claim's number.
    pub number: u16,
    /// The claim.
    pub says: String,
    /// Who makes it.
    pub lessons: Vec<Lesson>,
    /// What the course knows of it.
    pub truth: Truth,
    /// What this machine says.
    pub verdict: Verdict,
    /// Why: a sentence, or after "holds when" the condition.
    pub reason: String,
    /// How long the experiment took, in milliseconds, repetitions included.
    pub millis: u64,
    /// How often it was made: more than once if the machine was too noisy.
    pub attempts: u32,
    /// Facts, figures and ratios.
    #[serde(flatten)]
    pub record: Record,
}

impl Entry {
    pub(crate) fn new(claim: &Claim, judgement: Judgement, record: Record) -> Entry {
        Entry {
            number: claim.number,
            says: claim.says.to_owned(),
            lessons: claim.lessons.to_vec(),
            truth: claim.truth,
            verdict: judgement.verdict,
            reason: judgement.reason,
            millis: 0,
            attempts: 1,
            record,
        }
    }

    /// Whether the machine contradicts the course. Saying nothing is no
    /// contradiction.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        self.verdict.says_something() && self.verdict != self.truth.expected()
    }
}
