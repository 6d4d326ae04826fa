//! Builds everything once, with one call of cargo: for each exercise its
//! judge, and a subject for the stub, the solution, and every other variant.

use std::fs;
use std::path::{Path, PathBuf};

use judging::build::allowance::Allowance;
use judging::build::cargo::{self, Built, Request};
use judging::build::compiled::{Submission, failure};
use judging::build::freshness;
use judging::build::judges::{keep, sources_of};
use judging::build::scratch::{Candidate, Package, Part, Scratch, VERIFY, folder_of};
use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::originals::{Files, files_of};
use judging::exercise::probes::{Library, Probe};
use judging::files;
use judging::judge::{How, expected_probes, expected_tests};
use judging::mistake;
use judging::terminal::say;
use judging::terminal::words;
use judging::trouble::Trouble;

use super::Complaint;
use super::demand::Demand;
use super::plan::{Plan, Variant, WORK};

/// A variant that is not built yet.
pub(crate) struct Draft {
    /// Its name in reports.
    pub name: String,
    /// What the judge must find.
    pub demand: Demand,
    /// The files below `src/`.
    pub sources: Files,
    /// Whether the compiler must compile it without a warning.
    pub spotless: bool,
}

impl Draft {
    /// A draft with this text as its `src/lib.rs`.
    pub(crate) fn of(name: String, demand: Demand, text: String) -> Draft {
        Draft {
            name,
            demand,
            sources: Files::from([("lib.rs".to_owned(), text)]),
            spotless: false,
        }
    }
}

/// The variants of one exercise, each with the end of its package's name.
pub(crate) type Drafts = Vec<(String, Draft)>;

/// Finds the variants of an exercise, given the names of its tests, and
/// complains about those that cannot be made.
pub(crate) type Find<'a> =
    &'a dyn Fn(&Exercise, &[String], &mut Vec<Complaint>) -> Result<Drafts, Trouble>;

/// An exercise in the workspace.
struct Staged<'a> {
    exercise: &'a Exercise,
    tests: Vec<String>,
    probes: Vec<Probe>,
    judge: Candidate,
    drafts: Vec<(Draft, Candidate)>,
}

/// Which tests the program of a mistake contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tests {
    /// All of them, as every other program does.
    All,
    /// Only the test that must reject it. That is compiled in half the time.
    Needed,
}

/// Builds everything. What cannot be made becomes a complaint. While the third
/// value lives, no other command overwrites the programs.
pub(crate) fn build<'a>(
    course: &'a Course,
    exercises: &[&Exercise],
    told: bool,
    contained: Tests,
    find: Find<'_>,
) -> Result<(Plan, Vec<Complaint>, Scratch<'a>), Trouble> {
    let mut scratch = Scratch::open(course, VERIFY, None)?;
    freshness::of_the_crates(course, &scratch.target)?;
    let mut complaints = Vec::new();
    let mut staged = Vec::new();
    for exercise in exercises {
        match stage(exercise, &mut scratch, &mut complaints, contained, find) {
            Ok(exercise) => staged.push(exercise),
            Err(trouble) => complaints.push(Complaint::new(&exercise.id, trouble.to_string())),
        }
    }
    if told {
        let count = staged.iter().map(|exercise| exercise.drafts.len()).sum();
        say(&format!("building {}\n", words::count(count, "variant")));
    }
    scratch.finish()?;
    scratch.sweep();
    let judges = staged.iter().map(|exercise| exercise.judge.name.as_str());
    let subjects = staged.iter().flat_map(|exercise| &exercise.drafts);
    let subjects: Vec<&str> = subjects.map(|(_, subject)| subject.name.as_str()).collect();
    let built = cargo::build(&Request {
        folder: scratch.folder.clone(),
        target: Some(scratch.target.clone()),
        packages: judges.chain(subjects.iter().copied()).collect(),
        tests: staged.iter().map(|of| of.exercise.id.as_str()).collect(),
        examples: subjects,
        ..Request::default()
    })?;
    let mut plan = Plan::default();
    let kept = folder_of(course).join("verify-programs");
    let work = kept.join(WORK);
    fs::create_dir_all(&work).map_err(Trouble::writing(&work))?;
    for exercise in &staged {
        let Some(program) = built.program(&exercise.judge.manifest) else {
            complaints.push(Complaint::new(
                &exercise.exercise.id,
                failure(&built).to_string(),
            ));
            continue;
        };
        // The next command may overwrite the original while it runs.
        let judge = kept.join(format!("{}--judge", exercise.exercise.id));
        keep(program, &judge)?;
        for (draft, candidate) in &exercise.drafts {
            let variant = finished(
                exercise,
                draft,
                candidate,
                (&built, &judge),
                &mut complaints,
            )?;
            plan.variants.push(variant);
        }
    }
    Ok((plan, complaints, scratch))
}

/// Puts an exercise's judge and variants into the workspace.
fn stage<'a>(
    exercise: &'a Exercise,
    scratch: &mut Scratch,
    complaints: &mut Vec<Complaint>,
    contained: Tests,
    find: Find<'_>,
) -> Result<Staged<'a>, Trouble> {
    let given = files_of(exercise)?;
    let tests = given.get(&exercise.tests_name()).map_or("", String::as_str);
    let tests = expected_tests(exercise, tests)?;
    let mut add = |name: &str, part, only: Option<&str>, sources: &Files| {
        scratch.add(Package {
            exercise,
            given: &given,
            name,
            folder: name,
            part,
            only,
            sources,
        })
    };
    let stub = sources_of(&given);
    let judge = add(&format!("{}-judge", exercise.id), Part::Judge, None, &stub)?;
    let probes = expected_probes(exercise, &given)?;
    let names = probes.iter().map(|probe| probe.name.clone());
    let all: Vec<String> = tests.iter().cloned().chain(names).collect();
    let drafts = find(exercise, &all, complaints)?;
    let drafts = drafts
        .into_iter()
        .map(|(name, draft)| {
            let package = format!("{}-{name}", exercise.id);
            let only = draft.demand.only().filter(|_| contained == Tests::Needed);
            let candidate = add(&package, Part::Subject, only, &draft.sources)?;
            Ok((draft, candidate))
        })
        .collect::<Result<_, Trouble>>()?;
    Ok(Staged {
        exercise,
        tests,
        probes,
        judge,
        drafts,
    })
}

/// The stub, the solution, the alternatives and the mistakes.
pub(crate) fn variants(
    exercise: &Exercise,
    tests: &[String],
    complaints: &mut Vec<Complaint>,
) -> Result<Drafts, Trouble> {
    let stub = Draft {
        name: "stub".into(),
        demand: Demand::AllFail {
            outcome: exercise.stub.outcome,
            cause: exercise.stub.cause.clone(),
        },
        sources: sources_of(&files_of(exercise)?),
        spotless: true,
    };
    let mut complain = |what: String| complaints.push(Complaint::new(&exercise.id, what));
    let solution = match files::text(&exercise.solution().join("src/lib.rs")) {
        Ok(text) => text,
        Err(trouble) => {
            complain(trouble.to_string());
            return Ok(vec![("stub".to_owned(), stub)]);
        }
    };
    let mut drafts = vec![
        ("stub".to_owned(), stub),
        (
            "solution".to_owned(),
            Draft {
                spotless: true,
                ..Draft::of("solution".into(), Demand::AllPass, solution.clone())
            },
        ),
    ];
    for path in alternatives(exercise) {
        let name = mistake::name_of(&path);
        match files::text(&path) {
            Ok(text) => drafts.push((
                format!("alt-{name}"),
                Draft::of(format!("alternative {name}"), Demand::AllPass, text),
            )),
            Err(trouble) => complain(trouble.to_string()),
        }
    }
    for path in mistake::patches(exercise)? {
        let name = mistake::name_of(&path);
        let made = mistake::read(&path).map_err(|trouble| trouble.to_string());
        let made = made.and_then(|mistake| {
            if !tests.contains(&mistake.test) {
                return Err(format!("{name}.patch: there is no test `{}`", mistake.test));
            }
            let text = mistake.applied_to(&solution);
            let text = text.map_err(|why| format!("{name}.patch: {why}"))?;
            Ok((mistake, text))
        });
        match made {
            Ok((mistake, text)) => {
                let demand = Demand::Rejected {
                    test: mistake.test,
                    outcome: mistake.outcome,
                    cause: mistake.cause,
                };
                let draft = Draft::of(format!("mistake {name}"), demand, text);
                drafts.push((format!("bad-{name}"), draft));
            }
            Err(why) => complain(why),
        }
    }
    Ok(drafts)
}

/// The alternatives of an exercise, sorted.
pub(crate) fn alternatives(exercise: &Exercise) -> Vec<PathBuf> {
    let mut found = files::below(&exercise.solution().join("alternatives")).unwrap_or_default();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found
}

/// The variant with its program, and complaints about what the compiler said.
fn finished(
    exercise: &Staged,
    draft: &Draft,
    candidate: &Candidate,
    (built, judge): (&Built, &Path),
    complaints: &mut Vec<Complaint>,
) -> Result<Variant, Trouble> {
    let submission = Submission {
        exercise: exercise.exercise,
        sources: &draft.sources,
        how: &How::default(),
    };
    let wrong = match submission.refused("src/lib.rs") {
        None => {
            let allowed = Allowance::default();
            submission.rejected(built, candidate, judge, &allowed, &str::to_owned)?
        }
        refused => refused,
    };
    let warned = built.diagnostics.iter().find(|said| {
        said.level == "warning"
            && said.library
            && candidate
                .crates()
                .any(|manifest| *manifest == said.manifest)
    });
    if let Some(said) = warned.filter(|_| draft.spotless) {
        let what = format!(
            "{}: the compiler warns:\n{}",
            draft.name,
            said.rendered.trim_end()
        );
        complaints.push(Complaint::new(&exercise.exercise.id, what));
    }
    let files = built.library(&candidate.manifest);
    let library = files.and_then(|files| Library::of(&exercise.exercise.id, files));
    let mut probed = Vec::new();
    if let (None, Some(library)) = (&wrong, library) {
        for probe in &exercise.probes {
            probed.push(probe.verdict(&library));
            if draft.name == "solution"
                && let Some(error) = probe.control().errors_with(&library)?.first()
            {
                let what = format!(
                    "tests/refused/{}.rs: without its marked lines it must compile, but it does not: {}",
                    probe.name,
                    error.headline()
                );
                complaints.push(Complaint::new(&exercise.exercise.id, what));
            }
        }
    }
    Ok(Variant {
        probed,
        exercise: exercise.exercise.id.clone(),
        name: draft.name.clone(),
        judge: judge.to_owned(),
        program: built.program(&candidate.manifest).map(Path::to_owned),
        folder: judge.with_file_name(WORK),
        uncompiled: wrong.map(|wrong| (wrong.outcome, wrong.cause)),
        tests: exercise.tests.clone(),
        probes: exercise
            .probes
            .iter()
            .map(|probe| probe.name.clone())
            .collect(),
        demand: draft.demand.clone(),
    })
}
