//! The files of a fresh exercise: those of `crates/workshop/skeleton` under new
//! names.

use judging::exercise::catalogue::EXPLORED;

/// A path within its folder, and the text.
pub(super) type File = (String, String);

/// What a new exercise is made of.
#[derive(Debug)]
pub(super) struct Skeleton {
    /// For `exercises/TOPIC/NAME`.
    pub exercise: Vec<File>,
    /// For `solutions/TOPIC/NAME`.
    pub solution: Vec<File>,
    /// For the end of the catalogue.
    pub entry: String,
}

macro_rules! skeleton {
    ($path:literal) => {
        include_str!(concat!("../../skeleton/", $path))
    };
}

/// What stands in the task below the table of tests: the commands.
const BELOW_THE_TABLE: &str = "\n```console\n";

const ENTRY: &str = r#"
[[exercise]]
id = "new-exercise"
topic = "new-topic"
title = "FILL IN: the title that learners read in lists"
minutes = 30 # FILL IN: how many minutes a learner who knows the chapter needs
points = 10
needs = [] # FILL IN: the exercises to do before this one; also move this entry to its place in the order
stub = { outcome = "panic", cause = "not yet implemented" }
"#;

impl Skeleton {
    /// The files for an exercise of this topic and name.
    pub(super) fn of(topic: &str, name: &str, is_explored: bool) -> Skeleton {
        let named = |text: &str| {
            text.replace("new-exercise", name)
                .replace("new_exercise", &name.replace('-', "_"))
                .replace("new-topic", topic)
        };
        let file = |path: &str, text: &str| (named(path), named(text));
        let with = |text: &str, more: &str| match is_explored {
            true => format!("{text}{more}"),
            false => text.to_owned(),
        };
        let dependencies = skeleton!("explored/dev-dependencies.toml");
        let mut exercise = vec![
            file(
                "Cargo.toml",
                &with(skeleton!("exercise/Cargo.toml"), dependencies),
            ),
            file(
                "README.md",
                &with_rows(
                    skeleton!("exercise/README.md"),
                    &with("", skeleton!("explored/README.md")),
                ),
            ),
            file("hints.md", skeleton!("exercise/hints.md")),
            file("src/lib.rs", skeleton!("exercise/src/lib.rs")),
            file(
                "tests/new-exercise.rs",
                &with(
                    skeleton!("exercise/tests/exercise.rs"),
                    skeleton!("explored/tests.rs"),
                ),
            ),
        ];
        let mut solution = vec![
            file(
                "Cargo.toml",
                &with(skeleton!("solution/Cargo.toml"), &of_solution(dependencies)),
            ),
            file("src/lib.rs", skeleton!("solution/src/lib.rs")),
            file(
                "alternatives/another-way.rs",
                skeleton!("solution/alternatives/another-way.rs"),
            ),
            file(
                "mistakes/a-mistake.patch",
                skeleton!("solution/mistakes/a-mistake.patch"),
            ),
        ];
        if is_explored {
            let manifest = skeleton!("explored/Cargo.toml");
            exercise.push(file(EXPLORED, manifest));
            solution.push(file(EXPLORED, &of_solution(manifest)));
        }
        Skeleton {
            exercise,
            solution,
            entry: named(ENTRY),
        }
    }
}

/// The task with more rows at the end of its table.
fn with_rows(task: &str, rows: &str) -> String {
    task.replacen(BELOW_THE_TABLE, &format!("{rows}{BELOW_THE_TABLE}"), 1)
}

/// The explored crate is named after the package that it belongs to.
fn of_solution(text: &str) -> String {
    text.replace("\"new-exercise-", "\"new-exercise-solution-")
}
