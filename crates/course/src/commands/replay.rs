//! `replay`: one schedule again, drawn as a timeline.

use std::path::Path;

use proctor::{Outcome, Record};

use super::check::read_source;
use crate::catalogue::Course;
use crate::judge::{How, Source, judge};
use crate::show::say;
use crate::show::words::{FAINT, STRONG, indented, styled, wrapped_lines};
use crate::trouble::Trouble;

/// The variable that makes an exploration run one schedule only.
const REPLAY: &str = "INTERLEAVE_REPLAY";

/// What to replay.
#[derive(Clone, Copy, Debug)]
pub struct Replay<'a> {
    /// The schedule, as the verdict gave it.
    pub schedule: &'a str,
    /// Only this test.
    pub test: Option<&'a str>,
    /// Of this file in place of the learner's.
    pub source: Option<&'a Path>,
}

/// Runs the tests that explore, or only one, on one schedule.
///
/// Exit code 0 if the schedule runs through, 1 if it fails again, 2 if it does
/// not belong to the code as it is now.
///
/// # Errors
/// There is no verdict; no test explores.
pub fn replay(course: &Course, name: &str, replay: &Replay) -> Result<u8, Trouble> {
    let Replay {
        schedule,
        test,
        source,
    } = *replay;
    let exercise = course.exercise(name)?;
    if exercise.worlds().is_empty() {
        return Err(Trouble::Refused(format!(
            "{} explores no schedules: there is nothing to replay",
            exercise.id
        )));
    }
    let source = source.map_or(Ok(Source::Learner), read_source)?;
    let how = How {
        only: test,
        environment: &[(REPLAY, schedule.to_owned())],
        ..How::default()
    };
    let judgement = judge(course, exercise, &source, &how)?;
    if let Some(uncompiled) = &judgement.uncompiled {
        say(&uncompiled.said);
        return Ok(1);
    }
    // A test that explores nothing has heard nothing of the schedule.
    let explored = |record: &&Record| {
        test.is_some() || record.timeline.is_some() || !record.covered.is_empty()
    };
    let mut records: Vec<&Record> = judgement.records.iter().filter(explored).collect();
    // Of several that explore, the schedule belongs to those that could follow it.
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
                "no test of {} took the schedule `{schedule}`: name the test with --test",
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

fn drawn(record: &Record) -> String {
    let mut text = format!("{}: {}\n", styled(STRONG, &record.test), record.outcome);
    if !record.cause.is_empty() {
        text.push_str(&wrapped_lines(&record.cause, 96, "  "));
        text.push('\n');
    }
    if let Some(place) = &record.at {
        text.push_str(&format!("  {} {place}\n", styled(FAINT, "at")));
    }
    let drawings = record.timeline.iter().chain(&record.covered);
    for drawing in drawings {
        text.push_str(&format!("\n{}\n", indented(drawing.trim_end(), "  ")));
    }
    text.push('\n');
    text
}
