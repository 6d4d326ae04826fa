//! Catalogue, tasks, hints and tests agree.

use std::collections::HashSet;

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::hints::hints;
use judging::files;
use judging::mistake;

use super::Complaint;
use super::build::alternatives;
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
    found.extend(task(exercise));
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

/// The shape that every task has:
///
/// ```text
/// # {title}
///
/// {minutes} minutes · needs `a`, `b` · man pages: …
///
/// ## The idea
/// ## What to build
/// ## What is allowed        (or not)
/// ## How it is judged       a table with a row for each test, and the commands
/// ```
fn task(exercise: &Exercise) -> Vec<String> {
    let text = match files::text(&exercise.folder().join("README.md")) {
        Ok(text) => text,
        Err(trouble) => return vec![trouble.to_string()],
    };
    let mut found: Vec<String> = [
        head(exercise, &text),
        sections(&text),
        commands(exercise, &text),
    ]
    .into_iter()
    .flatten()
    .map(|what| format!("README.md {what}"))
    .collect();
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
    let probes = probes.into_iter().map(|probe| probe.name);
    found.extend(rows(tests.into_iter().chain(probes), &text));
    found
}

/// Title and the line below it, as the catalogue has them.
fn head(exercise: &Exercise, text: &str) -> Option<String> {
    let title = format!("# {}", exercise.title);
    let needs = match exercise.needs.as_slice() {
        [] => "needs no other exercise".to_owned(),
        needs => {
            let needs: Vec<_> = needs.iter().map(|id| format!("`{id}`")).collect();
            format!("needs {}", needs.join(", "))
        }
    };
    let facts = format!("{} minutes · {needs}", exercise.minutes);
    let mut lines = text.lines().filter(|line| !line.is_empty());
    if lines.next() != Some(title.as_str()) {
        return Some(format!(
            "does not begin with the catalogue's title, `{title}`"
        ));
    }
    let below = lines.next().unwrap_or_default();
    let rest = below.strip_prefix(&facts);
    if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" · ")) {
        return Some(format!(
            "does not say `{facts}` below its title, as the catalogue does"
        ));
    }
    None
}

const SECTIONS: [&str; 4] = [
    "The idea",
    "What to build",
    "What is allowed",
    "How it is judged",
];

fn sections(text: &str) -> Option<String> {
    let found: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let [idea, build, _, judged] = SECTIONS;
    (found != SECTIONS && found != [idea, build, judged]).then(|| {
        format!(
            "has the sections {found:?}: they should be {SECTIONS:?}, of which the third may be missing"
        )
    })
}

/// The last thing is how to run the tests.
fn commands(exercise: &Exercise, text: &str) -> Option<String> {
    let id = &exercise.id;
    let fence = text.trim_end().strip_suffix("\n```");
    let block = fence.and_then(|before| before.rsplit_once("```console\n"));
    let lines: Vec<&str> = block.map_or(Vec::new(), |(_, block)| block.lines().collect());
    let check = format!("$ cargo course check {id}");
    let test = format!("$ cargo test -p {id} ");
    let is_right = matches!(lines.as_slice(), [first, second]
        if *first == check && format!("{second} ").starts_with(&test));
    (!is_right).then(|| {
        format!(
            "does not end with a block of ```console that holds `{check}` and `{}`",
            test.trim_end()
        )
    })
}

/// Each test has a row in the table.
fn rows(tests: impl Iterator<Item = String>, text: &str) -> Vec<String> {
    let judged = text
        .split("\n## How it is judged")
        .nth(1)
        .unwrap_or_default();
    let rows: Vec<&str> = judged
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let mut found = Vec::new();
    let mut names = Vec::new();
    for test in tests {
        let name = test.rsplit("::").next().unwrap_or(&test).to_owned();
        match rows.iter().filter(|row| **row == name).count() {
            1 => {}
            0 => found.push(format!("README.md has no row for the test `{test}`")),
            _ => found.push(format!("README.md has several rows for the test `{test}`")),
        }
        names.push(name);
    }
    for row in rows {
        if !names.iter().any(|name| name == row) {
            found.push(format!("README.md has a row for `{row}`, which is no test"));
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
            "{file} imports everything from `{crate_name}`: names in the learner's file would reach the tests"
        ));
    }
    found
}

#[cfg(test)]
mod tests_of_the_shape {
    use super::{rows, sections};

    #[test]
    fn sections_are_known_and_in_order() {
        let text = |names: &[&str]| {
            names
                .iter()
                .map(|n| format!("## {n}\n\n"))
                .collect::<String>()
        };
        let (idea, build, allowed, judged) = (
            "The idea",
            "What to build",
            "What is allowed",
            "How it is judged",
        );
        assert_eq!(sections(&text(&[idea, build, allowed, judged])), None);
        assert_eq!(sections(&text(&[idea, build, judged])), None);
        for wrong in [
            vec![idea, judged],
            vec![build, idea, judged],
            vec![idea, build, "More", judged],
        ] {
            assert!(sections(&text(&wrong)).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn each_test_has_one_row_and_each_row_a_test() {
        let text = "\n## How it is judged\n\n| test | what it checks |\n|---|---|\n| `one` | this |\n| `two` | that |\n";
        let found = |names: &[&str]| rows(names.iter().map(ToString::to_string), text);
        assert_eq!(found(&["one", "worlds::two"]), Vec::<String>::new());
        assert_eq!(found(&["one", "two", "three"]).len(), 1);
        assert_eq!(found(&["one"]).len(), 1);
    }
}
