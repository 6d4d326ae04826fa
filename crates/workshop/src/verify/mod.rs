//! `verify`: checks that stubs, solutions, alternatives, mistakes and texts agree.
//!
//! First it checks the files (`texts`, `manifests`, `strays`). Then it builds
//! everything, each variant once (`build`, `plan`). Then it runs each program
//! as often as asked (`runs`), and compares the records with the demand
//! (`demand`).

mod answers;
mod bless_texts;
mod build;
mod clauses;
mod demand;
mod explained;
mod generated;
mod manifests;
mod plan;
mod report;
mod runs;
mod shape;
mod strays;
mod task;
mod texts;

use std::path::Path;

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::originals;
use judging::terminal::say;
use judging::trouble::Trouble;

use crate::cli::Verify;
use crate::unwritten;
pub use answers::answers;
use plan::Plan;

/// Something that does not agree, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// The exercise. Empty if the complaint concerns the whole course.
    pub exercise: String,
    /// A sentence that names the file.
    pub what: String,
}

impl Complaint {
    pub(crate) fn new(exercise: &str, what: impl Into<String>) -> Self {
        Complaint {
            exercise: exercise.to_owned(),
            what: what.into(),
        }
    }
}

/// Verifies the named exercises, or all. The exit code is 0 if everything
/// agrees, and 1 otherwise.
///
/// # Errors
/// Something cannot be read, built or run.
pub fn verify(course: &Course, options: &Verify) -> Result<u8, Trouble> {
    if options.clauses {
        for exercise in chosen(course, &options.exercises)? {
            let table = clauses::Table::of(exercise).shown();
            say(&format!("{}\n\n{table}\n", exercise.id));
        }
        return Ok(0);
    }
    if options.bless_texts {
        return bless_texts::bless_texts(course, &chosen(course, &options.exercises)?);
    }
    let mut unwritten = unwritten::unwritten(course);
    let is_unwritten = |id: &str| unwritten.iter().any(|exercise| exercise.id == id);
    let (begun, exercises): (Vec<_>, Vec<_>) = chosen(course, &options.exercises)?
        .into_iter()
        .partition(|exercise| is_unwritten(&exercise.id));
    let mut blessing = Blessing::default();
    if options.bless {
        for exercise in &exercises {
            blessing.keep(exercise)?;
        }
    }
    let mut complaints = look_at_files(course, &exercises, options.bless)?;
    complaints.retain(|complaint| !is_unwritten(&complaint.exercise));
    unwritten.retain(|exercise| begun.iter().any(|begun| begun.id == exercise.id));
    report::unwritten(course, &unwritten);
    if exercises.is_empty() {
        report::complaints(&complaints);
        return Ok(report::table(
            &Plan::default(),
            &[],
            options.repeat,
            &complaints,
            &unwritten,
        ));
    }
    let (plan, found, _building) = build::build(
        course,
        &exercises,
        options.build_only.is_none(),
        // A signature is made of the verdicts of all tests.
        match options.bless {
            true => build::Tests::All,
            false => build::Tests::Needed,
        },
        &build::variants,
    )?;
    complaints.extend(found);
    if let Some(folder) = &options.build_only {
        report::complaints(&complaints);
        plan.collect(folder)?;
        let programs = plan.variants.iter().filter(|v| v.program.is_some()).count();
        say(&format!(
            "{programs} programs are now in {}\n",
            folder.display()
        ));
        return Ok(u8::from(!complaints.is_empty()));
    }
    let runs = runs::run(&plan, options)?;
    if options.bless {
        let failing = |exercise: &Exercise| {
            let variants = plan.variants.iter().zip(&runs);
            let mut stubs = variants
                .filter(|(variant, _)| variant.exercise == exercise.id && variant.name == "stub");
            stubs.all(|(_, runs)| runs.right == options.repeat)
        };
        complaints.extend(blessing.accept(failing));
        generated::keep_signatures(course, &plan, &runs)?;
        complaints.extend(agreements(&exercises));
    }
    report::complaints(&complaints);
    Ok(report::table(
        &plan,
        &runs,
        options.repeat,
        &complaints,
        &unwritten,
    ))
}

/// The files that `--bless` has kept. Until they are accepted, what was kept before is put back: also
/// if an error ends the command.
#[derive(Default)]
struct Blessing<'a> {
    before: Vec<(&'a Exercise, Option<originals::Files>)>,
}

impl<'a> Blessing<'a> {
    fn keep(&mut self, exercise: &'a Exercise) -> Result<(), Trouble> {
        let before = originals::given(exercise)?;
        originals::keep(exercise)?;
        self.before.push((exercise, before));
        Ok(())
    }

    /// Accepts the files of each exercise whose stub fails as declared. A solved stub must not become
    /// what students get.
    fn accept(&mut self, is_failing: impl Fn(&Exercise) -> bool) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        self.before.retain(|(exercise, _)| {
            let is_wrong = !is_failing(exercise);
            if is_wrong {
                complaints.push(Complaint::new(
                    &exercise.id,
                    "its stub does not fail as exercises/course.toml declares, so its files were not blessed: \
                     put the stub back into src/lib.rs, and bless again",
                ));
            }
            is_wrong
        });
        complaints
    }
}

impl Drop for Blessing<'_> {
    fn drop(&mut self) {
        for (exercise, before) in &self.before {
            // Nothing more can be done about a file that cannot be written.
            let _ = originals::put_back(exercise, before.as_ref());
        }
    }
}

/// Runs what `verify --build-only` collected.
///
/// # Errors
/// The folder contains no plan, or a program cannot be run.
pub fn run_only(folder: &Path, options: &Verify) -> Result<u8, Trouble> {
    let plan = Plan::read(folder)?;
    let runs = runs::run(&plan, options)?;
    Ok(report::table(&plan, &runs, options.repeat, &[], &[]))
}

fn chosen<'a>(course: &'a Course, names: &[String]) -> Result<Vec<&'a Exercise>, Trouble> {
    if names.is_empty() {
        return Ok(course.exercises.iter().collect());
    }
    names.iter().map(|name| course.exercise(name)).collect()
}

fn look_at_files(
    course: &Course,
    exercises: &[&Exercise],
    blessing: bool,
) -> Result<Vec<Complaint>, Trouble> {
    let mut complaints = Vec::new();
    complaints.extend(texts::catalogue(course));
    complaints.extend(manifests::lock(course)?);
    complaints.extend(strays::unknown_folders(course));
    for exercise in exercises {
        complaints.extend(strays::strays(exercise));
        complaints.extend(manifests::manifests(exercise));
        complaints.extend(texts::texts(exercise));
        complaints.extend(texts::gaps(course, exercise));
        if let Some(stub) = originals::files_of(exercise)?.get("src/lib.rs") {
            complaints.extend(shape::shapes(exercise, stub));
        }
    }
    if !blessing {
        complaints.extend(agreements(exercises));
        complaints.extend(generated::originals(course, exercises));
        complaints.extend(generated::signatures(course, exercises)?);
    }
    Ok(complaints)
}

/// Checks that contracts, tests and mistakes agree, according to what is
/// recorded about every mistake.
fn agreements(exercises: &[&Exercise]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for exercise in exercises {
        complaints.extend(clauses::clauses(exercise));
        complaints.extend(explained::explanations(exercise));
    }
    complaints
}
