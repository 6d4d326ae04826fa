//! `replay`: runs one schedule again and draws it as a timeline.

use std::path::Path;

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::originals;
use judging::judge::{How, Source, judge};
use judging::terminal::say;
use judging::terminal::words::{FAINT, STRONG, indented, styled};
use judging::trouble::Trouble;
use proctor::{Outcome, Record};

use super::check::read_source;
use super::columns;
use super::program::become_example;
use crate::schedule::scenarios::scenarios;
use crate::text::wrapped;

/// What stands for the book's game, where another replay names an exercise.
const BOOK: &str = "book";

/// The environment variable that makes an exploration run only one schedule.
pub(crate) const REPLAY: &str = "INTERLEAVE_REPLAY";

/// What to replay.
#[derive(Clone, Copy, Debug)]
pub struct Replay<'a> {
    /// The schedule, as the verdict printed it.
    pub schedule: &'a str,
    /// Run only this test.
    pub test: Option<&'a str>,
    /// Run this file instead of the learner's.
    pub source: Option<&'a Path>,
}

/// Runs the tests that explore, or only one, on one schedule.
///
/// Exit code 0 if the schedule runs through, 1 if it fails again, 2 if it does
/// not belong to the code as it is now.
///
/// # Errors
/// There is no verdict, or no test explores schedules.
pub fn replay(course: &Course, name: &str, replay: &Replay) -> Result<u8, Trouble> {
    let Replay {
        schedule,
        test,
        source,
    } = *replay;
    if name == BOOK {
        let game = ("sync", "be_the_scheduler", "the game of the book");
        return become_example(course, game, [schedule.to_owned()]);
    }
    let exercise = course.exercise(name)?;
    if exercise.explored().is_none() {
        return Err(Trouble::Refused(format!(
            "{} explores no schedules: there is nothing to replay",
            exercise.id
        )));
    }
    let explorers = explorers(exercise, replay)?;
    let source = match source {
        Some(path) => read_source(exercise, path)?,
        None => Source::Learner,
    };
    let wanted: Vec<&str> = match (&explorers, test) {
        (_, Some(test)) => vec![test],
        (Some(tests), None) => tests.iter().map(String::as_str).collect(),
        (None, None) => Vec::new(),
    };
    let how = How {
        only: &wanted,
        environment: &[(REPLAY, schedule.to_owned())],
        ..How::default()
    };
    let judgement = judge(course, exercise, &source, &how)?;
    if let Some(uncompiled) = &judgement.uncompiled {
        say(&uncompiled.said);
        return Ok(1);
    }
    // A test that explores nothing did not run the schedule.
    let explored = |record: &&Record| match &explorers {
        Some(tests) => tests.contains(&record.test),
        None => test.is_some() || record.timeline.is_some() || !record.covered.is_empty(),
    };
    let mut records: Vec<&Record> = judgement.records.iter().filter(explored).collect();
    // If several tests explore, the schedule belongs to those that could follow it.
    if records
        .iter()
        .any(|record| record.outcome != Outcome::NotJudged)
    {
        records.retain(|record| record.outcome != Outcome::NotJudged);
    }
    for record in &records {
        say(&drawn(record));
    }
    Ok(match records.as_slice() {
        [] => {
            return Err(Trouble::Refused(format!(
                "no test of {} ran the schedule `{schedule}`: name the test with --test",
                exercise.id
            )));
        }
        all if all
            .iter()
            .all(|record| record.outcome == Outcome::NotJudged) =>
        {
            2
        }
        all if all.iter().all(|record| record.outcome == Outcome::Pass) => 0,
        _ => 1,
    })
}

/// The tests that explore the scenario to which the schedule belongs. `None` if
/// the schedule names no scenario, or if the test file does not show which
/// tests explore it.
fn explorers(exercise: &Exercise, replay: &Replay) -> Result<Option<Vec<String>>, Trouble> {
    let Some((name, _)) = replay.schedule.split_once(':') else {
        return Ok(None);
    };
    let tests = originals::pristine_tests(exercise)?;
    let found = scenarios(&tests).map_err(|why| Trouble::Malformed {
        path: exercise.tests(),
        why,
    })?;
    let Some(scenario) = found.iter().find(|scenario| scenario.name == name) else {
        let names: Vec<&str> = found.iter().map(|one| one.name.as_str()).collect();
        return Err(Trouble::Refused(format!(
            "{} has no scenario `{name}`, which this schedule names; its scenarios are {}",
            exercise.id,
            names.join(", ")
        )));
    };
    let tests = scenario.tests.clone();
    match replay.test {
        _ if tests.is_empty() => Ok(None),
        Some(test) if !tests.iter().any(|explorer| explorer == test) => {
            Err(Trouble::Refused(format!(
                "the test {test} does not explore the scenario {name}, to which the schedule belongs; this scenario is explored by {}",
                tests.join(", ")
            )))
        }
        _ => Ok(Some(tests)),
    }
}

fn drawn(record: &Record) -> String {
    let mut text = format!("{}: {}\n", styled(STRONG, &record.test), record.outcome);
    if !record.cause.is_empty() {
        text.push_str(&wrapped(&record.cause, columns() - 2, "  "));
        text.push('\n');
    }
    if let Some(place) = &record.at {
        text.push_str(&format!("  {} {place}\n", styled(FAINT, "at")));
    }
    if record.outcome == Outcome::Pass && record.covered.is_empty() {
        text.push_str("  the schedule ends as this test expects\n");
    }
    let timeline = record
        .timeline
        .iter()
        .map(|timeline| timeline.picture(columns() - 2));
    for drawing in timeline.chain(record.covered.iter().cloned()) {
        text.push_str(&format!("\n{}\n", indented(&drawing, "  ")));
    }
    text.push('\n');
    text
}
