//! What a run of the judge tells the loop, line by line, as JSON.

use serde::{Deserialize, Serialize};

use judging::judge::Judgement;

/// A verdict, with what the course has to say about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was found.
    pub judgement: Judgement,
    /// The known mistake that this looks like: what it is, and an explanation.
    pub mistake: Option<(String, String)>,
}

/// One line from the process that judges.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// What is being done.
    Doing(String),
    /// What the quick tests found; the slow ones still run.
    Quick(Box<Report>),
    /// The verdict; the last line.
    Report(Box<Report>),
    /// There is none, and why; the last line.
    Trouble(String),
}
