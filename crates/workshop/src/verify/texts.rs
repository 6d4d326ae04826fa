//! Catalogue, tasks, hints and tests agree.

use std::collections::HashSet;

use super::Complaint;
use super::build::alternatives;
use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::hints::hints;
use judging::exercise::unwritten;
use judging::files;
use judging::mistake;

/// What the demands of the course are.
const ALTERNATIVES: usize = 4;
const MISTAKES: usize = 6;

/// The catalogue in itself.
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
            complain("title, minutes and points must say something".into());
        }
        if exercise.stub.cause.is_empty() {
            complain("the stub's cause is empty: any failure would do".into());
        }
        before.insert(exercise.id.as_str());
        before.extend(exercise.aliases.iter().map(String::as_str));
    }
    found
}

/// The texts of one exercise.
pub(crate) fn texts(exercise: &Exercise) -> Vec<Complaint> {
    let mut found = Vec::new();
    found.extend(task(exercise));
    found.extend(ladder(exercise));
    found.extend(tests(exercise));
    let count = alternatives(exercise).len();
    if count < ALTERNATIVES {
        found.push(format!(
            "it has {count} alternatives: at least {ALTERNATIVES} are due"
        ));
    }
    for path in alternatives(exercise) {
        if !files::text(&path).is_ok_and(|text| text.starts_with("//!")) {
            let path = path.display();
            found.push(format!(
                "{path} does not begin with `//!` and in what it differs"
            ));
        }
    }
    let count = mistake::patches(exercise).map_or(0, |patches| patches.len());
    if count < MISTAKES {
        found.push(format!(
            "it has {count} mistakes: at least {MISTAKES} are due"
        ));
    }
    found
        .into_iter()
        .map(|what| Complaint::new(&exercise.id, what))
        .collect()
}

/// Places to fill in, in an exercise that was taken for written.
pub(crate) fn gaps(course: &Course, exercise: &Exercise) -> Vec<Complaint> {
    unwritten::places(course, exercise)
        .iter()
        .map(|place| {
            let path = course.short(&place.path).display();
            let what = format!("{path}:{} is to be filled in: {}", place.line, place.what);
            Complaint::new(&exercise.id, what)
        })
        .collect()
}

fn task(exercise: &Exercise) -> Vec<String> {
    let text = match files::text(&exercise.folder().join("README.md")) {
        Ok(text) => text,
        Err(trouble) => return vec![trouble.to_string()],
    };
    let mut found = Vec::new();
    if !text.starts_with("# ") {
        found.push("README.md does not begin with a title (`# …`)".to_owned());
    }
    let command = format!("cargo course check {}", exercise.id);
    if !text.contains(&command) {
        found.push(format!("README.md does not name the command `{command}`"));
    }
    let Ok(source) = files::text(&exercise.tests()) else {
        return found;
    };
    let probes = judging::exercise::originals::files_of(exercise)
        .map_err(|trouble| trouble.to_string())
        .and_then(|given| judging::exercise::probes::probes(&given));
    let probes = match probes {
        Ok(probes) => probes,
        Err(why) => {
            found.push(why);
            Vec::new()
        }
    };
    let tests = judging::exercise::expected::tests(&source).unwrap_or_default();
    for test in tests
        .into_iter()
        .chain(probes.into_iter().map(|probe| probe.name))
    {
        let name = test.rsplit("::").next().unwrap_or(&test);
        if !text.contains(name) {
            found.push(format!("README.md says nothing of the test `{test}`"));
        }
    }
    found
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
            "{file} imports everything of `{crate_name}`: a learner's names would reach the tests"
        ));
    }
    found
}
