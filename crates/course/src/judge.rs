//! Judging one exercise: a function that returns a value, and prints nothing.
//!
//! ```no_run
//! use course::{Course, judge::{self, Source}};
//!
//! let course = Course::find(&std::env::current_dir()?)?;
//! let exercise = course.exercise("spin-lock")?;
//! let judgement = judge::judge(&course, exercise, &Source::Learner, false)?;
//! println!("{} of {} passed", judgement.passed(), judgement.records.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proctor::{Outcome, Record};

use crate::cargo::{self, Built, Request};
use crate::catalogue::{Course, Exercise};
use crate::compiled::{Uncompiled, uncompiled, warnings};
use crate::originals::{self, Originals};
use crate::run::{self, Run};
use crate::scratch::Scratch;
use crate::trouble::Trouble;
use crate::{expected, files};

/// What to judge.
#[derive(Clone, Debug)]
pub enum Source {
    /// The learner's file, where it is.
    Learner,
    /// Any text in place of it.
    Other {
        /// How the text is named in messages.
        name: String,
        /// The text.
        text: String,
    },
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The exercise.
    pub exercise: String,
    /// One for each test, in the order of the test file.
    pub records: Vec<Record>,
    /// Why there is no program, if there is none.
    pub uncompiled: Option<Uncompiled>,
    /// How many warnings the compiler has about the learner's file.
    pub warnings: usize,
    /// The tests' text by which was judged.
    pub tests: String,
    /// Time for building.
    pub built: Duration,
    /// Time for running the tests.
    pub ran: Duration,
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

    /// Of how many nothing can be said.
    pub fn not_judged(&self) -> usize {
        self.count(|outcome| outcome == Outcome::NotJudged)
    }

    /// Whether every test passed.
    pub fn is_passed(&self) -> bool {
        self.passed() == self.records.len()
    }

    /// 0 all passed, 1 judged and failed, 2 could not judge.
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

/// What stands where, for one build and run.
struct Site<'a> {
    request: Request<'a>,
    manifest: PathBuf,
    worlds: Vec<PathBuf>,
    /// How the compiler names the source, and how a person does.
    renamed: Option<(String, String)>,
}

/// Builds and runs an exercise's tests on a source.
///
/// # Errors
/// There is no verdict; the error says why and what to do.
pub fn judge(
    course: &Course,
    exercise: &Exercise,
    source: &Source,
    colour: bool,
) -> Result<Judgement, Trouble> {
    judge_with(course, exercise, source, colour, None, &[])
}

/// [`judge`], of one test only, and with environment variables for its program.
///
/// # Errors
/// As [`judge`]; there is no test of that name.
pub fn judge_with(
    course: &Course,
    exercise: &Exercise,
    source: &Source,
    colour: bool,
    only: Option<&str>,
    environment: &[(&str, String)],
) -> Result<Judgement, Trouble> {
    let tests = originals::pristine_tests(exercise, &Originals::read(course)?)?;
    let expected = expected_tests(exercise, &tests)?;
    let started = Instant::now();
    match source {
        Source::Learner => {
            learner_file(exercise)?;
            let site = Site {
                request: Request {
                    folder: course.root.clone(),
                    packages: vec![&exercise.id],
                    tests: vec![&exercise.id],
                    colour,
                    target: None,
                },
                manifest: exercise.folder().join("Cargo.toml"),
                worlds: exercise.worlds(),
                renamed: None,
            };
            let built = cargo::build(&site.request)?;
            let job = Job {
                exercise,
                site: &site,
                tests,
                expected,
                only,
                environment,
                started,
            };
            job.judge(&built, None)
        }
        Source::Other { name, text } => {
            let mut scratch = Scratch::open(course, "source")?;
            let candidate = scratch.add(exercise, &exercise.id, "candidate", text)?;
            scratch.finish()?;
            let site = Site {
                request: Request {
                    folder: scratch.folder.clone(),
                    packages: vec![&exercise.id],
                    tests: vec![&exercise.id],
                    colour,
                    target: Some(scratch.target.clone()),
                },
                manifest: candidate.manifest,
                worlds: candidate.worlds,
                renamed: Some((candidate.source, name.clone())),
            };
            let built = cargo::build(&site.request)?;
            // The next command may build over this program: run a copy, and
            // let the next one in.
            let copy = copy_of(built.program(&site.manifest))?;
            drop(scratch);
            let job = Job {
                exercise,
                site: &site,
                tests,
                expected,
                only,
                environment,
                started,
            };
            job.judge(&built, copy.as_ref().map(|(_, program)| program.as_path()))
        }
    }
}

/// The tests that must give a verdict.
///
/// # Errors
/// The test file has none, or is not Rust.
pub fn expected_tests(exercise: &Exercise, tests: &str) -> Result<Vec<String>, Trouble> {
    let malformed = |why: String| Trouble::Malformed {
        path: exercise.tests(),
        why,
    };
    let expected = expected::tests(tests).map_err(malformed)?;
    if expected.is_empty() {
        return Err(malformed("it holds no #[proctor::test]".into()));
    }
    Ok(expected)
}

fn learner_file(exercise: &Exercise) -> Result<(), Trouble> {
    let path = exercise.source();
    match files::text(&path) {
        Err(Trouble::Unreadable { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Trouble::NoLearnerFile {
                exercise: exercise.id.clone(),
                path,
            })
        }
        other => other.map(drop),
    }
}

fn copy_of(program: Option<&Path>) -> Result<Option<(tempfile::TempDir, PathBuf)>, Trouble> {
    let Some(program) = program else {
        return Ok(None);
    };
    let folder = tempfile::Builder::new()
        .prefix("course-program-")
        .tempdir()
        .map_err(Trouble::writing(&std::env::temp_dir()))?;
    let copy = folder.path().join("tests");
    fs::copy(program, &copy).map_err(Trouble::writing(&copy))?;
    Ok(Some((folder, copy)))
}

/// One exercise on one source, once it is built.
struct Job<'a> {
    exercise: &'a Exercise,
    site: &'a Site<'a>,
    tests: String,
    expected: Vec<String>,
    only: Option<&'a str>,
    environment: &'a [(&'a str, String)],
    started: Instant,
}

impl Job<'_> {
    fn judge(self, built: &Built, copy: Option<&Path>) -> Result<Judgement, Trouble> {
        if let Some(only) = self.only
            && !self.expected.iter().any(|test| test == only)
        {
            return Err(Trouble::Refused(format!(
                "{} has no test `{only}`; it has {}",
                self.exercise.id,
                self.expected.join(", ")
            )));
        }
        let took = self.started.elapsed();
        let renamed = |text: &str| match &self.site.renamed {
            Some((from, to)) => text.replace(from, to),
            None => text.to_owned(),
        };
        let uncompiled = uncompiled(built, &self.site.manifest, &self.site.worlds, &renamed)?;
        let records = match (&uncompiled, built.program(&self.site.manifest)) {
            (Some(uncompiled), _) => self
                .expected
                .iter()
                .map(|test| Record {
                    at: uncompiled.at.clone(),
                    ..run::record(test, Outcome::CompileError, uncompiled.cause.clone())
                })
                .collect(),
            (None, Some(program)) => {
                let mut records = run::run(&Run {
                    program: copy.unwrap_or(program),
                    folder: &self.exercise.folder(),
                    expected: &self.expected,
                    only: self.only,
                    environment: self.environment,
                })?;
                for record in &mut records {
                    rename(record, &renamed);
                }
                records
            }
            (None, None) => {
                return Err(Trouble::Build(format!(
                    "cargo made no test program of {}: {}",
                    self.exercise.id,
                    built.complaint()
                )));
            }
        };
        Ok(Judgement {
            exercise: self.exercise.id.clone(),
            records,
            uncompiled,
            warnings: warnings(built, &self.site.manifest),
            tests: self.tests,
            built: took,
            ran: self.started.elapsed() - took,
        })
    }
}

fn rename(record: &mut Record, renamed: &dyn Fn(&str) -> String) {
    record.cause = renamed(&record.cause);
    if let Some(place) = &mut record.at {
        place.file = renamed(&place.file);
    }
    if let Some(timeline) = &mut record.timeline {
        *timeline = renamed(timeline);
    }
    for exchange in &mut record.exchanges {
        exchange.answered = renamed(&exchange.answered);
    }
}
