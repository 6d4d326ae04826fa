//! The record of one judged test: the verdict as data.

use serde::{Deserialize, Serialize};

use crate::{Evidence, Outcome, Output, Place, Timeline};

/// One judged test.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The test's path in its file, such as `worlds::no_update_is_lost`.
    pub test: String,
    /// What was found.
    pub outcome: Outcome,
    /// The cause, empty for a pass. Its first line is a sentence of its own.
    pub cause: String,
    /// Where in the code, if known.
    pub at: Option<Place>,
    /// The schedule that replays a failure found by exploration.
    pub schedule: Option<String>,
    /// What the threads did on that schedule.
    pub timeline: Option<Timeline>,
    /// What an exploration covered, in words.
    pub covered: Vec<String>,
    /// Milliseconds from the test's start to its verdict.
    pub millis: u64,
    /// The seed of this run's random inputs: `PROCTOR_SEED` repeats them.
    pub seed: u64,
    /// What was asked, answered and observed, in order.
    pub exchanges: Vec<Exchange>,
}

/// One question and its result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// Which subject was asked.
    pub subject: String,
    /// The question, in Rust's debug form, shortened.
    pub asked: String,
    /// The answer in the same form, or how the subject ended instead.
    pub answered: String,
    /// What the kernel said about the subject.
    pub evidence: Option<Evidence>,
    /// What the subject printed.
    pub output: Output,
}
