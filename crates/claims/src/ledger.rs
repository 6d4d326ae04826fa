//! Everything that was measured, and the machine on which it was measured.

use serde::{Deserialize, Serialize};

use crate::{Entry, Machine};

/// The whole ledger. `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The machine on which the claims were measured.
    pub machine: Machine,
    /// The results, in the order of the claims' numbers.
    pub entries: Vec<Entry>,
}

impl Ledger {
    /// Returns the entries whose verdict contradicts the course.
    pub fn contradictions(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.contradicts())
    }
}
