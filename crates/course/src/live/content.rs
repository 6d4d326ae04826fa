//! The texts of an exercise that the loop shows. They are read when the
//! exercise is opened.

use std::path::PathBuf;

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::hints::hints;
use judging::exercise::originals;
use judging::files;
use judging::mistake;

use super::glossary::{self, Term};

/// An exercise's texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The task, as Markdown.
    pub task: String,
    /// The hints, as Markdown.
    pub hints: Vec<String>,
    /// Where the learner has to edit.
    pub spot: Option<Spot>,
    /// Whether the learner's file is still the stub.
    pub untouched: bool,
    /// The book's glossary.
    pub terms: Vec<Term>,
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
        untouched: originals::is_untouched(exercise),
        terms: glossary::terms(course),
    }
}

/// The place of the first `todo!` in the learner's file, or else of its first
/// public function.
pub fn spot(course: &Course, exercise: &Exercise) -> Option<Spot> {
    let path = exercise.source();
    let text = files::text(&path).ok()?;
    let first = |is: &dyn Fn(&str) -> bool| text.lines().position(is);
    let is_function = |line: &str| line.trim_start().starts_with("pub ") && line.contains("fn ");
    let line = first(&|line| line.contains("todo!(")).or_else(|| first(&is_function));
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
