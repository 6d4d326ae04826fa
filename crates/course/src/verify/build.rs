//! Builds every variant once: stubs and solutions where they are, the others
//! as packages of a scratch workspace, each with one call of cargo.

use std::fs;
use std::path::{Path, PathBuf};

use super::Complaint;
use super::demand::Demand;
use super::plan::{Plan, Variant};
use crate::cargo::{self, Built, Request};
use crate::catalogue::{Course, Exercise, worlds_in};
use crate::compiled::uncompiled;
use crate::judge::expected_tests;
use crate::scratch::{Candidate, Scratch, folder_of};
use crate::trouble::Trouble;
use crate::{files, mistake, show};

/// A variant that is not built yet.
struct Draft {
    exercise: String,
    name: String,
    folder: PathBuf,
    tests: Vec<String>,
    demand: Demand,
    manifest: PathBuf,
    worlds: Vec<PathBuf>,
    /// Whether the compiler must have nothing to say.
    spotless: bool,
}

/// Builds all; what could not be made is a complaint. While the third value
/// lives, no other command builds over the programs.
pub(crate) fn build<'a>(
    course: &'a Course,
    exercises: &[&Exercise],
    told: bool,
) -> Result<(Plan, Vec<Complaint>, Scratch<'a>), Trouble> {
    let mut scratch = Scratch::open(course, "verify")?;
    let mut complaints = Vec::new();
    let mut given = Vec::new();
    let mut others = Vec::new();
    for exercise in exercises {
        let tests = files::text(&exercise.tests()).and_then(|text| expected_tests(exercise, &text));
        let tests = match tests {
            Ok(tests) => tests,
            Err(trouble) => {
                complaints.push(Complaint::new(&exercise.id, trouble.to_string()));
                continue;
            }
        };
        given.extend(as_given(exercise, &tests));
        others.extend(in_scratch(exercise, &tests, &mut scratch, &mut complaints)?);
    }
    if told {
        let count = given.len() + others.len();
        show::say(&format!(
            "building {}\n",
            show::words::count(count, "variant")
        ));
    }
    let mut plan = Plan::default();
    let names: Vec<String> = exercises
        .iter()
        .map(|e| format!("{}-solution", e.id))
        .collect();
    let tests: Vec<&str> = exercises.iter().map(|e| e.id.as_str()).collect();
    let mut packages = tests.clone();
    packages.extend(names.iter().map(String::as_str));
    let built = cargo::build(&Request {
        folder: course.root.clone(),
        packages,
        tests: tests.clone(),
        ..Request::default()
    })?;
    let kept = folder_of(course).join("verify-programs");
    for draft in given {
        let mut variant = finished(&draft, &built, &mut complaints)?;
        // Another cargo may build over it while it runs.
        if let Some(program) = &mut variant.program {
            *program = keep(program, &kept)?;
        }
        plan.variants.push(variant);
    }
    if !others.is_empty() {
        scratch.finish()?;
        scratch.sweep();
        let packages: Vec<String> = others.iter().map(|(_, c)| c.name.clone()).collect();
        let built = cargo::build(&Request {
            folder: scratch.folder.clone(),
            target: Some(scratch.target.clone()),
            packages: packages.iter().map(String::as_str).collect(),
            tests,
            binaries: Vec::new(),
            colour: false,
            tell: None,
        })?;
        for (draft, _) in &others {
            plan.variants
                .push(finished(draft, &built, &mut complaints)?);
        }
    }
    let place = |variant: &Variant| {
        exercises
            .iter()
            .position(|exercise| exercise.id == variant.exercise)
    };
    plan.variants.sort_by_key(place);
    Ok((plan, complaints, scratch))
}

/// The stub and the solution, in the course's own workspace.
fn as_given(exercise: &Exercise, tests: &[String]) -> [Draft; 2] {
    let draft = |name: &str, folder: PathBuf, demand| Draft {
        exercise: exercise.id.clone(),
        name: name.to_owned(),
        tests: tests.to_owned(),
        manifest: folder.join("Cargo.toml"),
        worlds: worlds_in(&folder),
        folder,
        demand,
        spotless: true,
    };
    let unsolved = Demand::AllFail {
        outcome: exercise.stub.outcome,
        cause: exercise.stub.cause.clone(),
    };
    [
        draft("stub", exercise.folder(), unsolved),
        draft("solution", exercise.solution(), Demand::AllPass),
    ]
}

/// The alternatives and the mistakes, as packages of the scratch workspace.
fn in_scratch(
    exercise: &Exercise,
    tests: &[String],
    scratch: &mut Scratch,
    complaints: &mut Vec<Complaint>,
) -> Result<Vec<(Draft, Candidate)>, Trouble> {
    let solution = match files::text(&exercise.solution().join("src/lib.rs")) {
        Ok(text) => text,
        Err(trouble) => {
            complaints.push(Complaint::new(&exercise.id, trouble.to_string()));
            return Ok(Vec::new());
        }
    };
    let mut sources = Vec::new();
    for path in alternatives(exercise) {
        let name = mistake::name_of(&path);
        match files::text(&path) {
            Ok(text) => sources.push((format!("alternative {name}"), name, text, Demand::AllPass)),
            Err(trouble) => complaints.push(Complaint::new(&exercise.id, trouble.to_string())),
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
                sources.push((format!("mistake {name}"), name, text, demand));
            }
            Err(why) => complaints.push(Complaint::new(&exercise.id, why)),
        }
    }
    sources
        .into_iter()
        .map(|(title, name, text, demand)| {
            let kind = if demand == Demand::AllPass {
                "alt"
            } else {
                "bad"
            };
            let package = format!("{}--{kind}-{name}", exercise.id);
            let candidate = scratch.add(exercise, &package, &package, &text)?;
            let draft = Draft {
                exercise: exercise.id.clone(),
                name: title,
                folder: exercise.folder(),
                tests: tests.to_owned(),
                demand,
                manifest: candidate.manifest.clone(),
                worlds: candidate.worlds.clone(),
                spotless: false,
            };
            Ok((draft, candidate))
        })
        .collect()
}

/// The alternatives of an exercise, sorted.
pub(crate) fn alternatives(exercise: &Exercise) -> Vec<PathBuf> {
    let mut found = files::below(&exercise.solution().join("alternatives")).unwrap_or_default();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    found
}

/// The variant with its program, and complaints about what the compiler said.
fn finished(
    draft: &Draft,
    built: &Built,
    complaints: &mut Vec<Complaint>,
) -> Result<Variant, Trouble> {
    let wrong = uncompiled(built, &draft.manifest, &draft.worlds, &str::to_owned)?;
    let crates = || draft.worlds.iter().chain([&draft.manifest]);
    let warned = built.diagnostics.iter().find(|said| {
        said.level == "warning" && crates().any(|manifest| *manifest == said.manifest)
    });
    if let Some(said) = warned.filter(|_| draft.spotless) {
        let what = format!(
            "{}: the compiler warns:\n{}",
            draft.name,
            said.rendered.trim_end()
        );
        complaints.push(Complaint::new(&draft.exercise, what));
    }
    Ok(Variant {
        exercise: draft.exercise.clone(),
        name: draft.name.clone(),
        program: built.program(&draft.manifest).map(Path::to_owned),
        folder: draft.folder.clone(),
        uncompiled: wrong.map(|wrong| wrong.cause),
        tests: draft.tests.clone(),
        demand: draft.demand.clone(),
    })
}

/// A second name for a program: what cargo links later gets a new file.
fn keep(program: &Path, folder: &Path) -> Result<PathBuf, Trouble> {
    fs::create_dir_all(folder).map_err(Trouble::writing(folder))?;
    let kept = folder.join(program.file_name().unwrap_or_default());
    let _ = fs::remove_file(&kept);
    fs::hard_link(program, &kept)
        .or_else(|_| fs::copy(program, &kept).map(drop))
        .map_err(Trouble::writing(&kept))?;
    Ok(kept)
}
