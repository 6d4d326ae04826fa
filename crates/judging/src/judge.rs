//! Judges one exercise. The function returns a value and prints nothing.
//!
//! ```no_run
//! use judging::{Course, judge::{self, How, Source}};
//!
//! let course = Course::find(&std::env::current_dir()?)?;
//! let exercise = course.exercise("spin-lock")?;
//! let judgement = judge::judge(&course, exercise, &Source::Learner, &How::default())?;
//! println!("{} of {} passed", judgement.passed(), judgement.records.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::path::PathBuf;
use std::time::{Duration, Instant};

use proctor::{Outcome, Record};
use serde::{Deserialize, Serialize};

use crate::build::compiled::Uncompiled;
use crate::build::stage::Stage;
use crate::exercise::catalogue::{Course, Exercise};
use crate::exercise::expected::{self, Test};
use crate::exercise::originals::{self, Files};
use crate::exercise::probes::{self, Probe};
use crate::files;
use crate::mistake;
use crate::run::{self, Run};
use crate::trouble::Trouble;

/// What to judge.
#[derive(Clone, Debug)]
pub enum Source {
    /// The learner's file, in its place.
    Learner,
    /// Another text instead of it.
    Other {
        /// The name of the text in messages.
        name: String,
        /// The text.
        text: String,
    },
}

/// How to judge.
#[derive(Clone, Copy, Default)]
pub struct How<'a> {
    /// Whether the compiler may color its messages.
    pub colour: bool,
    /// Run only these tests, or all if the list is empty.
    pub only: &'a [&'a str],
    /// Environment variables for the test program.
    pub environment: &'a [(&'a str, String)],
    /// Receives a few words about what is being done.
    pub tell: Option<fn(&str)>,
    /// Receives what was found so far, while tests still run: after each test,
    /// and once the quick tests are over.
    pub progress: Option<&'a dyn Fn(&Judgement)>,
    /// Whether the first test that runs into its deadline ends the run. The
    /// tests that have no verdict by then are [`Judgement::unrun`].
    pub stop_at_timeout: bool,
    /// Whether names that exercises do not need are accepted. The other
    /// defenses against such a source then have to hold alone.
    pub without_policy: bool,
}

/// What was found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Judgement {
    /// The exercise.
    pub exercise: String,
    /// One record for each test, in the order of the test file.
    pub records: Vec<Record>,
    /// The tests that still run or are about to.
    pub pending: Vec<String>,
    /// The tests that were not run to their end, because an earlier one had run
    /// into its deadline.
    pub unrun: Vec<String>,
    /// Why there is no program to judge, if there is none.
    pub uncompiled: Option<Uncompiled>,
    /// How many warnings the compiler has about the learner's file.
    pub warnings: usize,
    /// The known mistake that this looks like. None until all tests have run:
    /// until then, several mistakes may look alike.
    pub known: Option<Known>,
    /// The text of the tests that judged.
    pub tests: String,
    /// How long the build took.
    pub built: Duration,
    /// How long the tests ran.
    pub ran: Duration,
}

/// A known mistake, for the learner who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The test that fails because of it.
    pub test: String,
    /// What the code does wrong, in a sentence without a full stop.
    pub what: String,
    /// Why that is wrong, in a paragraph.
    pub explain: String,
}

impl Judgement {
    /// How many tests passed.
    pub fn passed(&self) -> usize {
        self.count(|outcome| outcome == Outcome::Pass)
    }

    /// How many failed, in whatever way.
    pub fn failed(&self) -> usize {
        self.records.len() - self.passed() - self.not_judged()
    }

    /// How many could not be judged.
    pub fn not_judged(&self) -> usize {
        self.count(|outcome| outcome == Outcome::NotJudged)
    }

    /// Whether every test passed.
    pub fn is_passed(&self) -> bool {
        self.passed() == self.records.len() && self.pending.is_empty() && self.unrun.is_empty()
    }

    /// The exit code: 0 if all tests passed, 1 if a test failed, and 2 if
    /// nothing failed but something could not be judged.
    pub fn exit_code(&self) -> u8 {
        if self.is_passed() {
            0
        } else if self.failed() > 0 {
            1
        } else {
            2
        }
    }

    fn count(&self, is: impl Fn(Outcome) -> bool) -> usize {
        self.records
            .iter()
            .filter(|record| is(record.outcome))
            .count()
    }
}

/// Builds and runs an exercise's tests on a source.
///
/// # Errors
/// There is no verdict; the error says why and what to do.
pub fn judge(
    course: &Course,
    exercise: &Exercise,
    source: &Source,
    how: &How,
) -> Result<Judgement, Trouble> {
    let given = originals::pristine(exercise)?;
    let tests = given
        .get(&exercise.tests_name())
        .cloned()
        .unwrap_or_default();
    let described = described_tests(exercise, &tests)?;
    let expected: Vec<String> = described.iter().map(|test| test.name.clone()).collect();
    let probes = expected_probes(exercise, &given)?;
    let names = probes.iter().map(|probe| probe.name.clone());
    let all: Vec<String> = expected.iter().cloned().chain(names).collect();
    refuse_unknown_test(exercise, &all, how.only)?;
    // Before it is built: the learner may save another one while the tests run.
    let text = match source {
        Source::Learner => files::text(&exercise.source()).unwrap_or_default(),
        Source::Other { text, .. } => text.clone(),
    };
    let started = Instant::now();
    let mut stage = Stage::build(course, exercise, source, how)?;
    let mut judgement = Judgement {
        exercise: exercise.id.clone(),
        records: Vec::new(),
        pending: Vec::new(),
        unrun: Vec::new(),
        uncompiled: stage.uncompiled.take(),
        warnings: stage.warnings,
        known: None,
        tests,
        built: started.elapsed(),
        ran: Duration::ZERO,
    };
    if let Some(uncompiled) = &judgement.uncompiled {
        judgement.records = all
            .iter()
            .map(|test| Record {
                at: uncompiled.at.clone(),
                ..run::record(test, uncompiled.outcome, uncompiled.cause.clone())
            })
            .collect();
        judgement.known = known(exercise, &text, &judgement.records);
        return Ok(judgement);
    }
    if let Some(tell) = how.tell {
        tell("running the tests");
    }
    let asked = |name: &str| how.only.is_empty() || how.only.contains(&name);
    let names = |is_slow| -> Vec<&str> {
        let of_kind = described.iter().filter(|test| test.is_slow == is_slow);
        let names = of_kind.map(|test| test.name.as_str());
        names.filter(|name| asked(name)).collect()
    };
    let (quick, slow) = (names(false), names(true));
    let both: Vec<&str> = quick.iter().chain(&slow).copied().collect();
    let tests = Tests {
        stage: &stage,
        how,
        guarded: stage.guarded(course),
        expected: &expected,
        order: &all,
        began: Instant::now(),
    };
    let mut goes_on = tests.run(&mut judgement, &quick, &both)?;
    let probes = probes.iter().filter(|probe| asked(&probe.name));
    judgement
        .records
        .extend(probes.map(|probe| match &stage.library {
            Some(library) => probe.verdict(library),
            None => run::record(&probe.name, Outcome::NotJudged, NO_LIBRARY.into()),
        }));
    if goes_on && !slow.is_empty() {
        tests.show(&judgement, &slow);
        goes_on = tests.run(&mut judgement, &slow, &slow)?;
    }
    if !goes_on {
        judgement.unrun = without_verdict(&judgement, &both);
    }
    tests.finish(&mut judgement);
    // A part of the tests does not tell two mistakes apart.
    if how.only.is_empty() && judgement.unrun.is_empty() {
        judgement.known = known(exercise, &text, &judgement.records);
    }
    Ok(judgement)
}

/// The tests while they run.
struct Tests<'a> {
    stage: &'a Stage,
    how: &'a How<'a>,
    guarded: [PathBuf; 2],
    /// The tests of the judging program.
    expected: &'a [String],
    /// All tests and probes, in the order in which they are shown.
    order: &'a [String],
    began: Instant,
}

impl Tests<'_> {
    /// Runs some tests and adds their records. `left` are the tests that the
    /// judgement lacks until then. Returns false if one of them reached its
    /// deadline and nothing more is wanted then.
    fn run(
        &self,
        judgement: &mut Judgement,
        only: &[&str],
        left: &[&str],
    ) -> Result<bool, Trouble> {
        if only.is_empty() {
            return Ok(true);
        }
        let run = Run {
            judge: &self.stage.judge(),
            subject: &self.stage.subject(),
            folder: &self.stage.folder(),
            package: self.stage.package(),
            guarded: &self.guarded,
            expected: self.expected,
            only,
            environment: self.how.environment,
        };
        let renamed = |record: &Record| {
            let mut record = record.clone();
            rename(&mut record, self.stage);
            record
        };
        let mut goes_on = true;
        let mut so_far = judgement.clone();
        let found = run::listen(&run, &mut |record| {
            so_far.records.push(renamed(record));
            goes_on &= !(self.how.stop_at_timeout && record.outcome == Outcome::Timeout);
            if goes_on {
                self.show(&so_far, left);
            }
            goes_on
        })?;
        // At the end, a pass may turn out to be none.
        judgement.records.extend(found.iter().map(renamed));
        Ok(goes_on)
    }

    /// Shows what there is until now.
    fn show(&self, judgement: &Judgement, left: &[&str]) {
        if let Some(progress) = self.how.progress {
            let mut judgement = judgement.clone();
            judgement.pending = without_verdict(&judgement, left);
            self.finish(&mut judgement);
            progress(&judgement);
        }
    }

    /// Puts the records in order, and notes the time.
    fn finish(&self, judgement: &mut Judgement) {
        let place = |record: &Record| self.order.iter().position(|name| *name == record.test);
        judgement.records.sort_by_key(place);
        judgement.ran = self.began.elapsed();
    }
}

/// Those of these tests that have no record yet.
fn without_verdict(judgement: &Judgement, tests: &[&str]) -> Vec<String> {
    let has_verdict = |name: &str| judgement.records.iter().any(|one| one.test == name);
    let without = tests.iter().filter(|name| !has_verdict(name));
    without.map(ToString::to_string).collect()
}

fn known(exercise: &Exercise, text: &str, records: &[Record]) -> Option<Known> {
    let mistake = mistake::explanation(exercise, records, text)?;
    Some(Known {
        test: mistake.test,
        what: mistake.what.trim_end_matches('.').to_owned(),
        explain: mistake.explain,
    })
}

/// The names of the tests that must give a verdict.
///
/// # Errors
/// The test file contains no test, or is not Rust.
pub fn expected_tests(exercise: &Exercise, tests: &str) -> Result<Vec<String>, Trouble> {
    let described = described_tests(exercise, tests)?;
    Ok(described.into_iter().map(|test| test.name).collect())
}

fn described_tests(exercise: &Exercise, tests: &str) -> Result<Vec<Test>, Trouble> {
    let malformed = |why: String| Trouble::Malformed {
        path: exercise.tests(),
        why,
    };
    let described = expected::described(tests).map_err(malformed)?;
    if described.is_empty() {
        return Err(malformed("it contains no #[proctor::test]".into()));
    }
    Ok(described)
}

const NO_LIBRARY: &str = "cargo did not say where the compiled library is";

/// The programs that must not compile.
///
/// # Errors
/// One of them is malformed.
pub fn expected_probes(exercise: &Exercise, given: &Files) -> Result<Vec<Probe>, Trouble> {
    probes::probes(given).map_err(|why| Trouble::Malformed {
        path: exercise.folder(),
        why,
    })
}

fn refuse_unknown_test(
    exercise: &Exercise,
    expected: &[String],
    only: &[&str],
) -> Result<(), Trouble> {
    match only
        .iter()
        .find(|only| !expected.iter().any(|test| test == *only))
    {
        Some(unknown) => Err(Trouble::Refused(format!(
            "{} has no test `{unknown}`; its tests are {}",
            exercise.id,
            expected.join(", ")
        ))),
        None => Ok(()),
    }
}

/// Names the source as the learner knows it, everywhere in a record.
fn rename(record: &mut Record, stage: &Stage) {
    record.cause = stage.named(&record.cause);
    if let Some(place) = &mut record.at {
        place.file = stage.named(&place.file);
    }
    for step in record.timeline.iter_mut().flat_map(|one| &mut one.steps) {
        step.place = stage.named(&step.place);
    }
    for exchange in &mut record.exchanges {
        exchange.answered = stage.named(&exchange.answered);
    }
}
