//! What the loop shows of an exercise: read from its files when it is opened.

use std::path::PathBuf;

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::hints::hints;
use judging::files;
use judging::mistake;

/// An exercise's texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The task, as Markdown.
    pub task: String,
    /// The ladder of hints, as Markdown.
    pub hints: Vec<String>,
    /// Where to edit.
    pub spot: Option<Spot>,
}

/// A line in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// As a person reads it, from the course's folder.
    pub short: String,
    /// The whole path.
    pub path: PathBuf,
    /// From 1.
    pub line: usize,
}

/// How the course does it, and how the learner did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Solution {
    /// The course's own; `None` where this copy has none.
    pub reference: Option<String>,
    /// Where that is.
    pub path: String,
    /// The learner's file.
    pub own: String,
    /// What the known mistakes do wrong.
    pub mistakes: Vec<String>,
    /// How many other right solutions there are.
    pub alternatives: usize,
}

/// Reads an exercise; what cannot be read is said in its place.
pub fn content(course: &Course, exercise: &Exercise) -> Content {
    let read = |name: &str| files::text(&exercise.folder().join(name));
    Content {
        task: read("README.md").unwrap_or_else(|trouble| trouble.to_string()),
        hints: read("hints.md")
            .map(|text| hints(&format!("\n{text}")))
            .unwrap_or_default(),
        spot: spot(course, exercise),
    }
}

/// The first `todo!` of the learner's file, or its first line.
pub fn spot(course: &Course, exercise: &Exercise) -> Option<Spot> {
    let path = exercise.source();
    let text = files::text(&path).ok()?;
    let line = text.lines().position(|line| line.contains("todo!("));
    Some(Spot {
        short: course.short(&path).display().to_string(),
        line: line.unwrap_or(0) + 1,
        path,
    })
}

/// Reads the solution; `own` is what the learner has now.
pub fn solution(course: &Course, exercise: &Exercise) -> Solution {
    let path = exercise.solution().join("src/lib.rs");
    let others = std::fs::read_dir(exercise.solution().join("alternatives"));
    Solution {
        reference: files::text(&path).ok(),
        path: course.short(&path).display().to_string(),
        own: files::text(&exercise.source()).unwrap_or_default(),
        mistakes: mistake::known(exercise)
            .into_iter()
            .map(|mistake| mistake.what)
            .collect(),
        alternatives: others.map_or(0, |entries| entries.flatten().count()),
    }
}
