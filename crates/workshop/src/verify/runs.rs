//! Runs the programs, several at a time, each as often as asked.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use judging::run::{self, Run};
use judging::signatures::{self, Signature, signature, without_numbers};
use judging::trouble::Trouble;
use proctor::{Outcome, Record};

use super::demand::{Demand, is_rejection};
use super::plan::{Plan, Variant};
use super::report;
use crate::cli::Verify;

/// What the runs of one variant gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    /// How many runs were as demanded.
    pub right: u32,
    /// What the judge found instead, and how often.
    pub deviations: BTreeMap<String, u32>,
    /// What all tests said, if all tests were run.
    pub signature: Signature,
    /// The first test that did not pass, and how it ended.
    pub rejected_by: Option<String>,
    /// The time of the longest test that counts, in milliseconds.
    pub longest: u64,
}

/// Runs all programs, and prints a line for each variant as soon as it is done.
/// The result has one entry for each variant, in the plan's order.
pub(crate) fn run(plan: &Plan, how: &Verify) -> Result<Vec<Runs>, Trouble> {
    let (repeat, all_tests) = (how.repeat, how.bless);
    let next = AtomicUsize::new(0);
    let (done, results) = mpsc::channel();
    let mut all = vec![Runs::default(); plan.variants.len()];
    thread::scope(|scope| {
        for _ in 0..how.jobs.clamp(1, 64) {
            let (next, done) = (&next, done.clone());
            scope.spawn(move || {
                while let Some((index, variant)) = take(plan, next) {
                    if done
                        .send((index, repeated(variant, repeat, all_tests)))
                        .is_err()
                    {
                        break;
                    }
                }
            });
        }
        drop(done);
        for (index, result) in results {
            let runs = result?;
            report::variant(&plan.variants[index], &runs, repeat);
            all[index] = runs;
        }
        Ok(all)
    })
}

fn take<'a>(plan: &'a Plan, next: &AtomicUsize) -> Option<(usize, &'a Variant)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, plan.variants.get(index)?))
}

fn repeated(variant: &Variant, repeat: u32, all_tests: bool) -> Result<Runs, Trouble> {
    let mut runs = Runs::default();
    for round in 0..repeat {
        let records = records_of(variant, all_tests)?;
        let signature = signature(&records);
        match round {
            0 => runs.signature = signature,
            // A test that rejects a mistake only in some runs does not tell mistakes apart.
            _ => signatures::keep_what_agrees(&mut runs.signature, &signature),
        }
        runs.rejected_by = records
            .iter()
            .find(|record| record.outcome != Outcome::Pass)
            .map(|record| format!("{} in {}", record.outcome, record.test));
        let counted = records
            .iter()
            .filter(|record| variant.demand.only().is_none_or(|test| test == record.test));
        runs.longest = counted
            .map(|record| record.millis)
            .fold(runs.longest, u64::max);
        let deviations = variant.demand.deviations(&records);
        if deviations.is_empty() {
            runs.right += 1;
        }
        for deviation in deviations {
            *runs
                .deviations
                .entry(without_numbers(&deviation))
                .or_default() += 1;
        }
    }
    Ok(runs)
}

/// Runs the tests of a variant. Of a mistake, only the test that must reject it
/// runs, unless all tests are asked for.
fn records_of(variant: &Variant, all_tests: bool) -> Result<Vec<Record>, Trouble> {
    let only: Vec<&str> = variant
        .demand
        .only()
        .filter(|_| !all_tests)
        .into_iter()
        .collect();
    let asked = |test: &&String| only.is_empty() || only.contains(&test.as_str());
    let (None, Some(program)) = (&variant.uncompiled, &variant.program) else {
        let (outcome, cause) = variant
            .uncompiled
            .clone()
            .unwrap_or_else(|| (Outcome::NotJudged, "it has no program".into()));
        let all = variant.tests.iter().chain(&variant.probes);
        let record = |test: &String| run::record(test, outcome, cause.clone());
        return Ok(all.filter(asked).map(record).collect());
    };
    let mut records = Vec::new();
    if variant.tests.iter().any(|test| asked(&test)) {
        // One rejection of a wrong answer is enough.
        let is_wrong = matches!(variant.demand, Demand::Wrong { .. });
        let mut goes_on = |record: &Record| !(is_wrong && is_rejection(record));
        let run = Run {
            judge: &variant.judge,
            subject: program,
            folder: &variant.folder,
            package: &variant.folder,
            guarded: &[variant
                .folder
                .parent()
                .unwrap_or(&variant.folder)
                .to_owned()],
            expected: &variant.tests,
            only: &only,
            environment: &[],
        };
        records = run::listen(&run, &mut goes_on)?;
    }
    // An unwritten stub already has the right signatures. The probes may pass
    // with it, so they do not count there.
    let is_stub = matches!(variant.demand, Demand::AllFail { .. });
    let probed = variant.probed.iter().filter(|_| !is_stub);
    records.extend(probed.filter(|record| asked(&&record.test)).cloned());
    Ok(records)
}
