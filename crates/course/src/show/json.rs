//! `check --json`: prints one object per line.

use judging::judge::{Judgement, Known};
use serde::Serialize;

#[derive(Serialize)]
struct Test<'a> {
    exercise: &'a str,
    test: &'a str,
    outcome: &'static str,
    cause: &'a str,
    millis: u64,
}

#[derive(Serialize)]
struct Sum<'a> {
    exercise: &'a str,
    passed: usize,
    failed: usize,
    not_judged: usize,
    warnings: usize,
    known_mistake: Option<&'a Known>,
}

/// The judgement in the form that the README documents: an object for each
/// test, then one that sums them up.
pub fn json(judgement: &Judgement) -> String {
    let exercise = &judgement.exercise;
    let tests = judgement.records.iter().map(|record| {
        line(&Test {
            exercise,
            test: &record.test,
            outcome: record.outcome.name(),
            cause: &record.cause,
            millis: record.millis,
        })
    });
    let sum = line(&Sum {
        exercise,
        passed: judgement.passed(),
        failed: judgement.failed(),
        not_judged: judgement.not_judged(),
        warnings: judgement.warnings,
        known_mistake: judgement.known.as_ref(),
    });
    tests.chain([sum]).collect()
}

/// The object holds only strings and numbers, so writing it as JSON cannot fail.
fn line(object: &impl Serialize) -> String {
    serde_json::to_string(object).unwrap_or_default() + "\n"
}
