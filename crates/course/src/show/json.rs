//! `check --json`: prints one object per line.

use judging::judge::{Judgement, Known};
use proctor::Outcome;
use serde::Serialize;

#[derive(Serialize)]
struct Test<'a> {
    exercise: &'a str,
    file: &'a str,
    test: &'a str,
    outcome: &'static str,
    cause: &'a str,
    millis: u64,
}

#[derive(Serialize)]
struct Sum<'a> {
    exercise: &'a str,
    file: &'a str,
    passed: usize,
    failed: usize,
    not_judged: usize,
    warnings: usize,
    /// All of the exercise's points if every test passed, and otherwise none.
    points: u32,
    possible_points: u32,
    known_mistake: Option<&'a Known>,
}

/// A file that could not be judged.
#[derive(Serialize)]
struct Unjudged<'a> {
    exercise: &'a str,
    file: &'a str,
    outcome: &'static str,
    cause: &'a str,
}

/// The object for a file of which there is no judgement.
pub fn json_of_unjudged(exercise: &str, file: &str, cause: &str) -> String {
    line(&Unjudged {
        exercise,
        file,
        outcome: Outcome::NotJudged.name(),
        cause,
    })
}

/// The judgement in the form that the README documents: an object for each
/// test, then one that sums them up.
pub fn json(judgement: &Judgement, file: &str, possible_points: u32) -> String {
    let exercise = &judgement.exercise;
    let tests = judgement.records.iter().map(|record| {
        line(&Test {
            exercise,
            file,
            test: &record.test,
            outcome: record.outcome.name(),
            cause: &record.cause,
            millis: record.millis,
        })
    });
    let sum = line(&Sum {
        exercise,
        file,
        passed: judgement.passed(),
        failed: judgement.failed(),
        not_judged: judgement.not_judged(),
        warnings: judgement.warnings,
        points: if judgement.is_passed() {
            possible_points
        } else {
            0
        },
        possible_points,
        known_mistake: judgement.known.as_ref(),
    });
    tests.chain([sum]).collect()
}

/// The object holds only strings and numbers, so writing it as JSON cannot fail.
fn line(object: &impl Serialize) -> String {
    serde_json::to_string(object).unwrap_or_default() + "\n"
}
