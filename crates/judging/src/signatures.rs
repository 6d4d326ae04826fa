//! What every test says of every known mistake of an exercise.
//!
//! A patch's header names the one test that must reject it. Several mistakes
//! may be rejected by the same test in the same way; which of the *other* tests
//! fail tells them apart. `cargo course verify --bless` keeps them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proctor::{Outcome, Record};
use serde::{Deserialize, Serialize};

use crate::exercise::catalogue::Exercise;
use crate::exercise::kept;
use crate::trouble::Trouble;

/// For each test, what it says, in one line.
pub type Signature = BTreeMap<String, String>;

/// The signatures of an exercise's mistakes, by the mistake's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signatures(pub BTreeMap<String, Signature>);

impl Signatures {
    /// Where they are kept.
    pub fn path(exercise: &Exercise) -> PathBuf {
        kept::path(exercise, "mistakes")
    }

    /// Reads them. If the file is missing or malformed, there are none. That is
    /// no error, because signatures only help to choose between explanations.
    pub fn read(exercise: &Exercise) -> Signatures {
        let kept = kept::read(&Signatures::path(exercise));
        kept.ok().flatten().unwrap_or_default()
    }

    /// Writes the file as a whole or not at all.
    ///
    /// # Errors
    /// Those of writing a file.
    pub fn write(&self, exercise: &Exercise) -> Result<(), Trouble> {
        kept::write(&Signatures::path(exercise), self)
    }

    /// Whether the same tests fail as for a mistake. If it is not known which
    /// tests fail for that mistake, the answer is yes.
    pub fn fails_alike(&self, mistake: &str, records: &[Record]) -> bool {
        let Some(signature) = self.0.get(mistake) else {
            return true;
        };
        records.iter().all(|record| {
            let known = signature.get(&record.test);
            known.is_none_or(|line| passed(line) == (record.outcome == Outcome::Pass))
        })
    }
}

/// Whether a test that said this passed.
fn passed(line: &str) -> bool {
    line.split(':').next() == Some(Outcome::Pass.name())
}

/// Forgets each test that passed in one run of a program and not in the other,
/// because a data race between real threads shows only in some runs.
pub fn keep_what_agrees(signature: &mut Signature, other: &Signature) {
    signature.retain(|test, line| {
        let line_of_other = other.get(test);
        line_of_other.is_some_and(|other| passed(other) == passed(line))
    });
}

/// What all tests say about one source. A timeout says nothing: on a faster
/// machine the same test may pass.
pub fn signature(records: &[Record]) -> Signature {
    let told = records.iter();
    told.filter(|record| record.outcome != Outcome::Timeout)
        .map(|record| (record.test.clone(), line_of(record)))
        .collect()
}

fn line_of(record: &Record) -> String {
    let cause = record.cause.lines().next().unwrap_or_default();
    format!("{}: {cause}", record.outcome)
}

/// Replaces every number in a text with `#`, because random inputs and process
/// IDs differ from run to run.
pub fn without_numbers(text: &str) -> String {
    let mut alike = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_ascii_digit() {
            true if alike.ends_with('#') => {}
            true => alike.push('#'),
            false => alike.push(c),
        }
    }
    alike
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::record;

    #[test]
    fn causes_that_differ_in_numbers_are_alike() {
        assert_eq!(without_numbers("pid 123 of 4"), "pid # of #");
    }

    #[test]
    fn a_test_whose_verdict_differs_between_runs_is_forgotten() {
        let said = |race: Outcome| {
            let records = [
                record("named", Outcome::Fail, "of 3".into()),
                record("race", race, String::new()),
            ];
            signature(&records)
        };
        let mut kept = said(Outcome::Fail);
        keep_what_agrees(&mut kept, &said(Outcome::Pass));
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["named"]);
    }

    #[test]
    fn a_timeout_tells_no_mistakes_apart() {
        let records = [
            record("named", Outcome::Fail, "wrong".into()),
            record("slow", Outcome::Timeout, "no answer".into()),
        ];
        assert_eq!(signature(&records).keys().collect::<Vec<_>>(), ["named"]);
    }

    #[test]
    fn the_other_tests_tell_mistakes_apart() {
        let said = |other: Outcome| {
            [
                record("named", Outcome::Deadlock, "all wait".into()),
                record("other", other, String::new()),
            ]
        };
        let signatures = Signatures(BTreeMap::from([
            ("alone".to_owned(), signature(&said(Outcome::Pass))),
            ("both".to_owned(), signature(&said(Outcome::Deadlock))),
        ]));
        let alike = |name| signatures.fails_alike(name, &said(Outcome::Deadlock));
        assert!(alike("both") && !alike("alone") && alike("unheard of"));
    }
}
