//! One line of the ledger: a claim with its result.

use serde::{Deserialize, Serialize};

use crate::{Claim, Judgement, Lesson, Record, Truth, Verdict};

/// A claim and what was measured for it. `--json` prints one entry for each claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The claim's number.
    pub number: u16,
    /// The claim as one sentence.
    pub says: String,
    /// The lessons that make the claim.
    pub lessons: Vec<Lesson>,
    /// What the course knows about the claim.
    pub truth: Truth,
    /// The verdict on this machine.
    pub verdict: Verdict,
    /// The reason, in one or more sentences. After the verdict "holds when" it
    /// begins with the condition.
    pub reason: String,
    /// How long all attempts took together, in milliseconds.
    pub millis: u64,
    /// How many times the experiment ran. It runs again if the machine was too
    /// noisy.
    pub attempts: u32,
    /// The facts, figures and ratios of the last attempt.
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

    /// Returns whether the verdict contradicts the course. The verdicts "too
    /// noisy to say" and "skipped" contradict nothing.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        self.verdict.says_something() && self.verdict != self.truth.expected()
    }
}
