//! The exercises of a bundle: the files as students get them, and the
//! explanations of known mistakes, but nothing that shows a solution.

use std::path::Path;

use judging::exercise::catalogue::{Course, EXPLANATIONS, Exercise};
use judging::exercise::kept;
use judging::exercise::originals::{self, Files};
use judging::files;
use judging::mistake::{self, Explanations};
use judging::signatures::Signatures;
use judging::trouble::Trouble;
use serde::Serialize;
use toml_edit::{DocumentMut, Item, TomlError};

use crate::unwritten::{self, Unwritten};

/// The learner's file within an exercise.
const SOURCE: &str = "src/lib.rs";

/// Everything that goes into `exercises/`.
#[derive(Debug)]
pub(super) struct Chosen<'a> {
    /// The exercises that are written.
    pub exercises: Vec<&'a Exercise>,
    /// Notes for the instructor, one sentence each.
    pub notes: Vec<String>,
    catalogue: String,
    /// As they were given, in the order of `exercises`.
    given: Vec<Files>,
    explanations: Explanations,
}

impl<'a> Chosen<'a> {
    /// Collects it from the course.
    pub(super) fn of(course: &'a Course) -> Result<Self, Trouble> {
        let unwritten = unwritten::unwritten(course);
        let is_written = |exercise: &&Exercise| unwritten.iter().all(|u| u.id != exercise.id);
        let exercises: Vec<&Exercise> = course.exercises.iter().filter(is_written).collect();
        let mut notes: Vec<String> = unwritten
            .iter()
            .map(|exercise| format!("{exercise}, so the bundle does not contain it"))
            .collect();
        needs_are_met(&exercises, &unwritten)?;
        let mut explanations = Explanations::new();
        let mut all_given = Vec::new();
        for exercise in &exercises {
            let given = originals::given(exercise)?.ok_or_else(|| not_blessed(course, exercise))?;
            is_unsolved(course, exercise, &given)?;
            notes.extend(changed_since(course, exercise, &given));
            all_given.push(given);
            let mut known = Vec::new();
            for patch in mistake::patches(exercise)? {
                known.push(mistake::read(&patch)?);
            }
            explanations.insert(exercise.id.clone(), known);
        }
        Ok(Chosen {
            catalogue: catalogue(course, &unwritten)?,
            exercises,
            notes,
            given: all_given,
            explanations,
        })
    }

    /// Writes it below `root`.
    pub(super) fn write(&self, root: &Path) -> Result<(), Trouble> {
        let house = root.join("exercises");
        for (exercise, given) in self.exercises.iter().zip(&self.given) {
            let folder = house.join(&exercise.topic).join(&exercise.id);
            for (name, text) in given {
                files::write(&folder.join(name), text)?;
            }
            for kept in [originals::path(exercise), Signatures::path(exercise)] {
                if let Ok(content) = std::fs::read(&kept) {
                    let name = kept.file_name().unwrap_or_default();
                    files::write(&house.join(kept::FOLDER).join(name), content)?;
                }
            }
        }
        files::write(&house.join("course.toml"), &self.catalogue)?;
        files::write(&root.join(EXPLANATIONS), json(&self.explanations))
    }
}

/// A last look at what students would get. (`verify --bless` has judged the stub
/// and blesses none that passes a test. Here nothing is compiled.)
fn is_unsolved(course: &Course, exercise: &Exercise, given: &Files) -> Result<(), Trouble> {
    let stub = given.get(SOURCE).map_or("", String::as_str);
    let solution = exercise.solution().join(SOURCE);
    let is_solution = files::text(&solution).is_ok_and(|solution| solution == stub);
    let is_written = exercise.stub.cause.contains("not yet implemented") && !stub.contains("todo!");
    if is_solution || is_written {
        return Err(Trouble::Refused(format!(
            "{}: the stub that was blessed looks solved: put the stub back into {}, and run \
             `cargo course verify {} --bless`",
            exercise.id,
            course.short(&exercise.source()).display(),
            exercise.id
        )));
    }
    Ok(())
}

fn json(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn not_blessed(course: &Course, exercise: &Exercise) -> Trouble {
    Trouble::Refused(format!(
        "{}, which holds {} as students are to get it, is missing: run `cargo course verify --bless`, which \
         writes it",
        course.short(&originals::path(exercise)).display(),
        exercise.id
    ))
}

fn needs_are_met(exercises: &[&Exercise], unwritten: &[Unwritten]) -> Result<(), Trouble> {
    for exercise in exercises {
        for need in &exercise.needs {
            if unwritten.iter().any(|exercise| exercise.id == *need) {
                return Err(Trouble::Refused(format!(
                    "{} needs `{need}`, which is not yet written: write it, or remove it from `needs` in \
                     exercises/course.toml",
                    exercise.id
                )));
            }
        }
    }
    Ok(())
}

/// One note for each file that differs from the blessed one. `src/lib.rs` gets
/// no note, because authors often leave a half-solved one there.
fn changed_since(course: &Course, exercise: &Exercise, given: &Files) -> Vec<String> {
    let differs = |(name, text): &(&String, &String)| {
        *name != SOURCE
            && !files::text(&exercise.folder().join(name)).is_ok_and(|now| now == **text)
    };
    given
        .iter()
        .filter(differs)
        .map(|(name, _)| {
            let path = exercise.folder().join(name);
            format!(
                "{} differs from the blessed file, and the bundle contains the blessed one (`cargo course verify \
                 --bless` records yours)",
                course.short(&path).display()
            )
        })
        .collect()
}

/// The catalogue without the entries of these exercises.
fn catalogue(course: &Course, but: &[Unwritten]) -> Result<String, Trouble> {
    let path = course.root.join("exercises/course.toml");
    let text = files::text(&path)?;
    let mut catalogue: DocumentMut =
        text.parse()
            .map_err(|error: TomlError| Trouble::Malformed {
                path,
                why: error.to_string(),
            })?;
    if let Some(entries) = catalogue
        .get_mut("exercise")
        .and_then(Item::as_array_of_tables_mut)
    {
        entries.retain(|entry| {
            let id = entry.get("id").and_then(Item::as_str);
            but.iter().all(|exercise| id != Some(&exercise.id))
        });
    }
    Ok(catalogue.to_string())
}
