//! The record of one judged test: the verdict as data.
//!
//! Where `PROCTOR_RECORDS` names a folder, each test writes `<test>.json`
//! there, whole or not at all. `cargo course` reads nothing else: what a
//! process prints is never a verdict.

use std::path::Path;
use std::{fs, io};

use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Output};
use crate::outcome::{Outcome, Place};

/// The folder for records; unset when a learner runs `cargo test` by hand.
pub const RECORDS: &str = "PROCTOR_RECORDS";

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
    /// That schedule as a picture.
    pub timeline: Option<String>,
    /// What an exploration covered, in words.
    pub covered: Vec<String>,
    /// Milliseconds from the test's start to its verdict.
    pub millis: u64,
    /// The seed of this run's random inputs: `PROCTOR_SEED` repeats them.
    pub seed: u64,
    /// What was asked, answered and observed, in order.
    pub exchanges: Vec<Exchange>,
}

/// One question and what came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// Which subject was asked.
    pub subject: String,
    /// The question, in Rust's debug form, shortened.
    pub asked: String,
    /// The answer likewise, or how it ended instead.
    pub answered: String,
    /// What the kernel said.
    pub evidence: Option<Evidence>,
    /// What was printed.
    pub output: Output,
}

impl Record {
    /// Writes the record into `folder`, whole or not at all.
    ///
    /// # Errors
    /// Those of creating, writing and renaming a file.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let name = self.test.replace("::", ".");
        let partial = folder.join(format!(".{name}.{}", std::process::id()));
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        fs::write(&partial, text)
            .and_then(|()| fs::rename(&partial, folder.join(format!("{name}.json"))))
            .inspect_err(|_| {
                let _ = fs::remove_file(&partial);
            })
    }

    /// Reads the record of `test` from `folder`; `None` if the test wrote none.
    ///
    /// # Errors
    /// Those of reading a file; a file that is no record is `InvalidData`.
    pub fn read(folder: &Path, test: &str) -> io::Result<Option<Self>> {
        let path = folder.join(format!("{}.json", test.replace("::", ".")));
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
