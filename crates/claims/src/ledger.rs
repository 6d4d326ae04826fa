//! All that was measured, and on what.

use crate::{Entry, Machine};
use serde::{Deserialize, Serialize};

/// The whole ledger: what `--json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Where it was measured.
    pub machine: Machine,
    /// What came out, in the order of the claims' numbers.
    pub entries: Vec<Entry>,
}

impl Ledger {
    /// Those in which the machine contradicts the course.
    pub fn contradictions(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.contradicts())
    }
}
