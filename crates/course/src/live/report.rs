//! What a run of the judge tells the loop, line by line, as JSON.

use judging::judge::Judgement;
use serde::{Deserialize, Serialize};

/// One line from the process that judges.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// What is being done.
    Doing(String),
    /// What was found so far, while tests still run.
    SoFar(Box<Judgement>),
    /// The verdict. This is the last line.
    Judged(Box<Judgement>),
    /// Why there is no verdict. This is the last line.
    Trouble(String),
}
