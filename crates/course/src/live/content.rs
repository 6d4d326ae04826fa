//! The texts of an exercise that the loop shows. They are read when the
//! exercise is opened.

use std::path::PathBuf;

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::hints::hints;
use judging::exercise::originals;
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
    /// Whether the learner's file is still the stub.
    pub untouched: bool,
    /// The book's glossary.
    pub terms: Vec<Term>,
}

/// An entry of the glossary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The term, in the singular.
    pub name: String,
    /// What it means, as Markdown.
    pub means: String,
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
        untouched: originals::pristine(exercise).is_ok_and(|given| {
            let own = files::text(&exercise.source()).ok();
            own.is_some() && given.get("src/lib.rs") == own.as_ref()
        }),
        terms: files::text(&course.root.join(GLOSSARY))
            .map(|text| terms(&text))
            .unwrap_or_default(),
    }
}

/// The book's glossary: each term is a line of its own, and what it means
/// follows behind a colon.
const GLOSSARY: &str = "book/src/glossary.md";

fn terms(glossary: &str) -> Vec<Term> {
    let lines: Vec<&str> = glossary.lines().collect();
    let entries = lines.windows(2).filter_map(|pair| {
        let means = pair[1].strip_prefix(": ")?;
        // The arrow leads to places in the book.
        let means = means.split(" → ").next().unwrap_or(means);
        Some(Term {
            name: pair[0].trim().to_owned(),
            means: means.trim().to_owned(),
        })
    });
    entries.collect()
}

/// The terms that occur in a text, in the order of the glossary.
pub fn terms_in<'a>(terms: &'a [Term], text: &str) -> Vec<&'a Term> {
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_alphanumeric());
        let words = parts.filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let text = words(text);
    let occurs = |name: &str| {
        let name = words(name);
        let is_same = |word: &String, wanted: &String| {
            word == wanted
                || word.strip_suffix('s') == Some(wanted)
                || word.strip_suffix("es") == Some(wanted)
        };
        let mut places = text.windows(name.len().max(1));
        !name.is_empty()
            && places.any(|place| {
                place
                    .iter()
                    .zip(&name)
                    .all(|(word, one)| is_same(word, one))
            })
    };
    terms.iter().filter(|term| occurs(&term.name)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glossary_is_read_without_its_links() {
        let text =
            "# Glossary\n\n## A\n\nair lock\n: Two doors. → [x](y)\n\nbuddy\n: A `friend`.\n";
        let terms = terms(text);
        let [lock, buddy] = &terms[..] else {
            panic!("{terms:?}")
        };
        assert_eq!(
            (lock.name.as_str(), lock.means.as_str()),
            ("air lock", "Two doors.")
        );
        assert_eq!(buddy.means, "A `friend`.");
        assert_eq!(terms_in(&terms, "behind two Air locks."), [lock]);
        assert!(terms_in(&terms, "an airlock, or air; locked").is_empty());
    }
}
