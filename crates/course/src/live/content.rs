//! The texts of an exercise that the loop shows. They are read when the
//! exercise is opened.

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
    /// The hints, as Markdown.
    pub hints: Vec<String>,
    /// Where the learner has to edit.
    pub spot: Option<Spot>,
}

/// A line in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The path relative to the course's folder, as messages name it.
    pub short: String,
    /// The whole path.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
}

/// The course's solution, and what the learner wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Solution {
    /// The course's solution. `None` if this copy of the course has none.
    pub reference: Option<String>,
    /// The path of the course's solution.
    pub path: String,
    /// The learner's file.
    pub own: String,
    /// What the known mistakes do wrong.
    pub mistakes: Vec<String>,
    /// How many other right solutions there are.
    pub alternatives: usize,
}

/// Reads an exercise. If the task cannot be read, the error takes its place.
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

/// The place of the first `todo!` in the learner's file, or else of its first line.
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

/// Reads the solution and the learner's file.
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
