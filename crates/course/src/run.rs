//! Runs a test program and collects the records that its judges wrote.
//!
//! Neither what the program prints nor how it ends is a verdict. A test that
//! was expected and left no record has the outcome `exit`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use processes::{End, Limits, Spec};
use proctor::{Outcome, RECORDS, Record};

use crate::trouble::Trouble;

/// One run of a test program.
#[derive(Debug)]
pub struct Run<'a> {
    /// The program.
    pub program: &'a Path,
    /// Where it runs: cargo's convention is the package's folder.
    pub folder: &'a Path,
    /// The tests that must give a verdict.
    pub expected: &'a [String],
    /// Only this test.
    pub only: Option<&'a str>,
    /// Environment variables for it.
    pub environment: &'a [(&'a str, String)],
}

/// Wall-clock time for a whole run. The judge has deadlines of its own; this
/// one is for a judge that hangs itself (a constructor in the learner's code).
fn limit(tests: usize) -> Duration {
    Duration::from_secs(60 + 30 * tests as u64)
}

/// Runs it, and gives one record for each expected test, in their order.
///
/// # Errors
/// The program cannot be started, or there is no room for its records.
pub fn run(run: &Run) -> Result<Vec<Record>, Trouble> {
    let records = tempfile::Builder::new()
        .prefix("course-records-")
        .tempdir()
        .map_err(Trouble::writing(&std::env::temp_dir()))?;
    let ran = execute(run, records.path()).map_err(|error| Trouble::Run {
        program: run.program.to_owned(),
        error,
    })?;
    let expected = run
        .expected
        .iter()
        .filter(|test| run.only.is_none_or(|only| only == *test));
    let mut found = Vec::new();
    for test in expected {
        let path = records.path().join("records");
        let record = match Record::read(records.path(), test) {
            Ok(Some(record)) => record,
            Ok(None) => {
                room_in(records.path())?;
                missing(test, &ran)
            }
            Err(error) => return Err(Trouble::Unreadable { path, error }),
        };
        found.push(record);
    }
    Ok(found)
}

/// A session of its own, so that what it leaves behind can be ended; it dies
/// with this process, and then its wardens end everything below it.
fn execute(run: &Run, records: &Path) -> Result<processes::Outcome, processes::RunError> {
    let mut spec = Spec::new(run.program)
        .current_dir(run.folder)
        .arg("--nocapture")
        .env(RECORDS, records)
        .env("CARGO_MANIFEST_DIR", run.folder)
        .die_with_parent(Signal::SIGKILL);
    if let Some(test) = run.only {
        spec = spec.args([test, "--exact"]);
    }
    for (name, value) in run.environment {
        spec = spec.env(name, value);
    }
    let limits = Limits {
        wall: Some(limit(run.expected.len())),
        ..Limits::default()
    };
    processes::run(spec, b"", limits)
}

/// A full disk must not be taken for the learner's mistake.
fn room_in(folder: &Path) -> Result<(), Trouble> {
    let path = folder.join("room");
    fs::File::create(&path)
        .and_then(|mut file| file.write_all(&[0; 64 << 10]))
        .and_then(|()| fs::remove_file(&path))
        .map_err(|error| Trouble::Unwritable {
            path: PathBuf::from(folder),
            error,
        })
}

fn missing(test: &str, ran: &processes::Outcome) -> Record {
    let said = ran.stderr.text();
    let said = said
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .map(|line| format!(" (its last words: {})", line.trim()))
        .unwrap_or_default();
    let (outcome, cause) = match ran.end {
        End::Ended(ending) => (
            Outcome::Exit,
            format!("the program ended before this test gave a verdict: it {ending}{said}"),
        ),
        End::TimedOut(limit) => (
            Outcome::Timeout,
            format!(
                "the program gave no verdict on this test within {} s and was ended{said}",
                limit.as_secs()
            ),
        ),
    };
    record(test, outcome, cause)
}

/// A record that no judge wrote.
pub fn record(test: &str, outcome: Outcome, cause: String) -> Record {
    Record {
        test: test.to_owned(),
        outcome,
        cause,
        at: None,
        schedule: None,
        timeline: None,
        covered: Vec::new(),
        millis: 0,
        seed: 0,
        exchanges: Vec::new(),
    }
}
