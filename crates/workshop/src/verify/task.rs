//! The shape that every task has:
//!
//! ```text
//! # {title}
//!
//! {minutes} minutes · needs `a`, `b` · man pages: …
//!
//! ## The idea
//! ## What you need to know  a list of two or three facts
//! ## What to build
//! ## What is allowed        (or not)
//! ## How it is judged       a table with a row for each test, and the commands
//! ```
//!
//! Drawings and code have at most [`WIDEST`] columns, because the loop shows
//! them as they are.

use judging::exercise::catalogue::Exercise;
use judging::exercise::{expected, originals, probes};
use judging::files;

/// Where the task of this exercise has another shape.
pub(super) fn complaints(exercise: &Exercise) -> Vec<String> {
    let text = match files::text(&exercise.folder().join("README.md")) {
        Ok(text) => text,
        Err(trouble) => return vec![trouble.to_string()],
    };
    let mut found: Vec<String> = [
        head(exercise, &text),
        sections(&text),
        commands(exercise, &text),
        width(&text),
    ]
    .into_iter()
    .flatten()
    .map(|what| format!("README.md {what}"))
    .collect();
    let Ok(source) = files::text(&exercise.tests()) else {
        return found;
    };
    let probes = originals::files_of(exercise)
        .map_err(|trouble| trouble.to_string())
        .and_then(|given| probes::probes(&given));
    let probes = match probes {
        Ok(probes) => probes,
        Err(why) => {
            found.push(why);
            Vec::new()
        }
    };
    let tests = expected::tests(&source).unwrap_or_default();
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

const SECTIONS: [&str; 5] = [
    "The idea",
    "What you need to know",
    "What to build",
    "What is allowed",
    "How it is judged",
];

fn sections(text: &str) -> Option<String> {
    let found: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let [idea, know, build, _, judged] = SECTIONS;
    (found != SECTIONS && found != [idea, know, build, judged]).then(|| {
        format!(
            "has the sections {found:?}: they should be {SECTIONS:?}, of which the fourth may be missing"
        )
    })
}

/// So many columns fit on a narrow terminal.
const WIDEST: usize = 76;

/// The first line of a drawing or of code that is too wide.
fn width(text: &str) -> Option<String> {
    let mut is_block = false;
    let wide = text.lines().enumerate().find(|(_, line)| {
        is_block ^= line.starts_with("```");
        is_block && !line.starts_with("```") && line.chars().count() > WIDEST
    })?;
    let (line, columns) = (wide.0 + 1, wide.1.chars().count());
    Some(format!(
        "has a drawing or code of {columns} columns in line {line}: at most {WIDEST} fit on a narrow terminal"
    ))
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

#[cfg(test)]
mod tests {
    use super::{rows, sections, width};

    #[test]
    fn code_fits_on_a_narrow_terminal() {
        let wide = "x".repeat(77);
        assert_eq!(
            width(&format!("{wide}\n```text\n{}\n```\n{wide}\n", &wide[1..])),
            None
        );
        let found = width(&format!("```rust\n{wide}\n```\n"));
        assert!(found.is_some_and(|what| what.contains("77 columns in line 2")));
    }

    #[test]
    fn sections_are_known_and_in_order() {
        let text = |names: &[&str]| {
            names
                .iter()
                .map(|n| format!("## {n}\n\n"))
                .collect::<String>()
        };
        let (idea, know, build, allowed, judged) = (
            "The idea",
            "What you need to know",
            "What to build",
            "What is allowed",
            "How it is judged",
        );
        assert_eq!(sections(&text(&[idea, know, build, allowed, judged])), None);
        assert_eq!(sections(&text(&[idea, know, build, judged])), None);
        for wrong in [
            vec![idea, judged],
            vec![idea, build, judged],
            vec![know, idea, build, judged],
            vec![idea, know, build, "More", judged],
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
