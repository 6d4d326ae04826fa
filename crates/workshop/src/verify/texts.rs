//! Catalogue, hints and tests agree. [`task`] checks the task.

use std::collections::HashSet;

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::hints::hints;
use judging::files;
use judging::mistake;

use super::Complaint;
use super::build::alternatives;
use super::task;
use crate::unwritten;

/// How many alternatives and mistakes an exercise must have at least.
const ALTERNATIVES: usize = 4;
const MISTAKES: usize = 6;

/// Checks the catalogue itself.
pub(crate) fn catalogue(course: &Course) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut before: HashSet<&str> = HashSet::new();
    for exercise in &course.exercises {
        let mut complain = |what: String| {
            found.push(Complaint::new(
                &exercise.id,
                format!("exercises/course.toml: {what}"),
            ));
        };
        for id in std::iter::once(&exercise.id).chain(&exercise.aliases) {
            if before.contains(id.as_str()) {
                complain(format!("the name `{id}` is used twice"));
            }
        }
        for need in &exercise.needs {
            if !before.contains(need.as_str()) {
                complain(format!("it needs `{need}`, which does not come before it"));
            }
        }
        if exercise.minutes == 0 || exercise.points == 0 || exercise.title.is_empty() {
            complain("title, minutes and points must not be empty or 0".into());
        }
        if exercise.stub.cause.is_empty() {
            complain("the stub's cause is empty, so any failure would be accepted".into());
        }
        before.insert(exercise.id.as_str());
        before.extend(exercise.aliases.iter().map(String::as_str));
    }
    found
}

/// Checks the texts of one exercise.
pub(crate) fn texts(exercise: &Exercise) -> Vec<Complaint> {
    let mut found = Vec::new();
    found.extend(task::complaints(exercise));
    found.extend(ladder(exercise));
    found.extend(tests(exercise));
    let count = alternatives(exercise).len();
    if count < ALTERNATIVES {
        found.push(format!(
            "the number of alternatives is {count}, but it must be at least {ALTERNATIVES}"
        ));
    }
    for path in alternatives(exercise) {
        if !files::text(&path).is_ok_and(|text| text.starts_with("//!")) {
            let path = path.display();
            found.push(format!(
                "{path} does not begin with `//!` and a sentence that says how it differs"
            ));
        }
    }
    let count = mistake::patches(exercise).map_or(0, |patches| patches.len());
    if count < MISTAKES {
        found.push(format!(
            "the number of mistakes is {count}, but it must be at least {MISTAKES}"
        ));
    }
    found
        .into_iter()
        .map(|what| Complaint::new(&exercise.id, what))
        .collect()
}

/// Complaints about places to fill in, in an exercise that counts as written.
pub(crate) fn gaps(course: &Course, exercise: &Exercise) -> Vec<Complaint> {
    unwritten::places(course, exercise)
        .iter()
        .map(|place| {
            let path = course.short(&place.path).display();
            let what = format!(
                "{path}:{} still has to be filled in: {}",
                place.line, place.what
            );
            Complaint::new(&exercise.id, what)
        })
        .collect()
}

fn ladder(exercise: &Exercise) -> Vec<String> {
    let text = match files::text(&exercise.folder().join("hints.md")) {
        Ok(text) => text,
        Err(trouble) => return vec![trouble.to_string()],
    };
    let titles: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("## "))
        .collect();
    let mut found = Vec::new();
    if titles != ["## Hint 1", "## Hint 2", "## Hint 3"] {
        found.push(format!(
            "hints.md has the headings {titles:?}, not `## Hint 1` to `## Hint 3`"
        ));
    }
    if hints(&format!("\n{text}")).iter().any(String::is_empty) {
        found.push("hints.md has an empty hint".to_owned());
    }
    found
}

fn tests(exercise: &Exercise) -> Vec<String> {
    let text = match files::text(&exercise.tests()) {
        Ok(text) => text,
        Err(trouble) => return vec![trouble.to_string()],
    };
    let file = exercise.tests_name();
    let crate_name = exercise.id.replace('-', "_");
    let mut found = Vec::new();
    if !text.contains(&format!("proctor::exercise!({crate_name});")) {
        found.push(format!("{file} has no `proctor::exercise!({crate_name});`"));
    }
    if text.contains(&format!("{crate_name}::*")) {
        found.push(format!(
            "{file} imports everything from `{crate_name}`: names in the learner's file would reach the tests"
        ));
    }
    found
}
