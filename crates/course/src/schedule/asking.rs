//! Asks where a schedule leads. For each question, the learner's code runs in a
//! new subject.

use std::fs;
use std::path::{Path, PathBuf};

use judging::build::compiled::Uncompiled;
use judging::build::stage::Stage;
use judging::exercise::catalogue::{Course, Exercise};
use judging::files;
use judging::judge::{How, Source};
use judging::run::{self, Run};
use judging::trouble::Trouble;
use proctor::{Outcome, Record};
use records::position::{End, POSITION, Position, Request};

use super::position::Reached;
use crate::commands::REPLAY;

/// How many schedules are counted below each position at most.
const COUNTED: u64 = 2_000;

/// A source, built, and the scenario that is asked about.
#[derive(Debug)]
pub struct Asker {
    /// The programs as they were built, whatever is built later, and the folder
    /// for answers.
    stage: Stage,
    /// The folders that the code must not change.
    guarded: [PathBuf; 2],
    scenario: String,
    /// The tests that may answer.
    tests: Vec<String>,
    /// The learner's file, and its text when it was built.
    source: Option<(PathBuf, String)>,
}

impl Asker {
    /// Builds the source. If it does not compile, the inner error says so.
    ///
    /// # Errors
    /// Cargo cannot be started, or fails for another reason than the source.
    pub fn build(
        course: &Course,
        exercise: &Exercise,
        source: &Source,
        scenario: &str,
        tests: Vec<String>,
        how: &How,
    ) -> Result<Result<Asker, Uncompiled>, Trouble> {
        let source_text = match source {
            Source::Learner => {
                let path = exercise.source();
                let text = files::text(&path).ok();
                text.map(|text| (path, text))
            }
            Source::Other { .. } => None,
        };
        let mut stage = Stage::build(course, exercise, source, how)?;
        if let Some(found) = stage.uncompiled.take() {
            return Ok(Err(found));
        }
        Ok(Ok(Asker {
            guarded: stage.guarded(course),
            scenario: scenario.to_owned(),
            tests,
            source: source_text,
            stage,
        }))
    }

    /// Whether the learner's file is no longer what was built.
    pub fn is_stale(&self) -> bool {
        self.source
            .as_ref()
            .is_some_and(|(path, built)| fs::read_to_string(path).is_ok_and(|now| now != *built))
    }

    /// The position to which the steps lead. With `run_on`, the run goes on
    /// from there to the next choice.
    ///
    /// # Errors
    /// A sentence that says that the code ended its process, or could not be run.
    pub fn ask(&self, schedule: &str, run_on: bool) -> Result<Reached, String> {
        // To count, the subject also runs other schedules. If one of them ends
        // the process, ask again without counting.
        self.answered(schedule, run_on, COUNTED)
            .or_else(|_| self.answered(schedule, run_on, 0))
    }

    fn answered(&self, schedule: &str, run_on: bool, count: u64) -> Result<Reached, String> {
        let path = self.stage.folder().join("answer.json");
        // The file may still contain the answer to the last question.
        let _ = fs::remove_file(&path);
        let request = Request {
            scenario: Some(self.scenario.clone()),
            schedule: schedule.to_owned(),
            run_on,
            count,
            answer: path.clone(),
        };
        let request = serde_json::to_string(&request).map_err(|error| error.to_string())?;
        let records = self.run((POSITION, request))?;
        if let Some(position) = read(&path)? {
            let mut reached = Reached::from(self.renamed(position));
            if let Some(End::Failed { .. }) = reached.position.end {
                reached.is_expected = self.is_expected(&reached.position.replay)?;
            }
            return Ok(reached);
        }
        let ended = records
            .iter()
            .find(|record| !matches!(record.outcome, Outcome::Pass | Outcome::NotJudged))
            .or(records.first());
        Err(match ended {
            Some(record) => format!(
                "this schedule ends the process ({}): {}",
                record.outcome,
                self.stage.named(&record.cause)
            ),
            None => format!("no test ran the scenario {}", self.scenario),
        })
    }

    fn run(&self, variable: (&str, String)) -> Result<Vec<Record>, String> {
        let only: Vec<&str> = match self.tests.as_slice() {
            [one] => vec![one],
            _ => Vec::new(),
        };
        run::run(&Run {
            judge: &self.stage.judge(),
            subject: &self.stage.subject(),
            folder: &self.stage.folder(),
            package: self.stage.package(),
            guarded: &self.guarded,
            expected: &self.tests,
            only: &only,
            environment: &[variable],
        })
        .map_err(|trouble| trouble.to_string())
    }

    /// Whether the judge accepts that this schedule fails. (Some scenarios are
    /// meant to fail.)
    fn is_expected(&self, schedule: &str) -> Result<bool, String> {
        let records = self.run((REPLAY, schedule.to_owned()))?;
        Ok(self.tests.len() == 1 && records.iter().all(|record| record.outcome == Outcome::Pass))
    }

    /// The position, with files named as the learner knows them.
    fn renamed(&self, mut position: Position) -> Position {
        if let Some(End::Failed { message, at, .. }) = &mut position.end {
            *message = self.stage.named(message);
            if let Some(place) = at {
                place.file = self.stage.named(&place.file);
            }
        }
        position
    }
}

/// `None` if there is no answer.
fn read(path: &Path) -> Result<Option<Position>, String> {
    match fs::read(path) {
        Ok(answer) => serde_json::from_slice(&answer).map(Some).map_err(|error| {
            format!("the answer of the test program cannot be understood: {error}")
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}
