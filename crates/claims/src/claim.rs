//! A sentence of a lesson, and how it is put to the test.

use crate::{Judged, Record, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One claim. Its experiment is code that a reader is meant to see:
/// [`Claim::code`].
#[derive(Debug)]
pub struct Claim {
    /// Its number in the course's list of claims.
    pub number: u16,
    /// The sentence, in our words.
    pub says: &'static str,
    /// Which of the lessons say so; none for what they leave out.
    pub lessons: &'static [Lesson],
    /// What is true.
    pub truth: Truth,
    /// The experiment.
    pub measure: fn(&mut Record) -> Judged,
    /// The function's name.
    pub name: &'static str,
    /// The file in which it is.
    pub file: &'static str,
    /// The text of that file.
    pub source: &'static str,
}

impl Claim {
    /// The experiment's function with the comment above it, as it is in its
    /// file; the whole file if it cannot be told apart.
    #[must_use]
    pub fn code(&self) -> &'static str {
        function(self.source, self.name).unwrap_or(self.source)
    }
}

/// rustfmt puts a function's last brace, and nothing else in it, at the start
/// of a line.
fn function(source: &'static str, name: &str) -> Option<&'static str> {
    let start = source.find(&format!("\nfn {name}("))? + 1;
    let end = start + source[start..].find("\n}\n")? + 3;
    let is_comment = |line: &&str| line.starts_with("//");
    let above = source[..start].lines().rev().take_while(is_comment);
    let comment: usize = above.map(|line| line.len() + 1).sum();
    Some(&source[start - comment..end])
}

/// What the course knows of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    /// It is as they say.
    True,
    /// It depends: the condition is missing.
    Half,
    /// It is not as they say.
    Wrong,
}

impl Truth {
    /// The verdict on a machine that can tell.
    #[must_use]
    pub fn expected(self) -> Verdict {
        match self {
            Truth::True => Verdict::Holds,
            Truth::Half => Verdict::HoldsWhen,
            Truth::Wrong => Verdict::DoesNotHold,
        }
    }
}

/// The lessons that the course is built on, named after what is in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lesson {
    /// Processes and threads as roommates.
    Roommates,
    /// A restaurant and its chefs.
    Restaurant,
    /// One of a series of "bytes".
    Byte,
    /// An office building.
    Office,
    /// Squares, computed by Python's `multiprocessing` and `threading`.
    Squares,
}

impl fmt::Display for Lesson {
    /// The beginning of its title.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Lesson::Roommates => "Process vs Thread Explained Using Bad Roommate Metaphors",
            Lesson::Restaurant => "Processes and Threads",
            Lesson::Byte => "Threads vs Processes",
            Lesson::Office => "Process vs Thread: A Comprehensive Technical Overview",
            Lesson::Squares => "What are the differences between processes and threads?",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::function;

    const SOURCE: &str = "//! A file.\n\nfn one() {\n    if true {\n    }\n}\n\n/// Two\n/// lines.\nfn two(n: u32) {}\n";

    #[test]
    fn a_function_is_cut_out_with_its_comment() {
        assert_eq!(
            function(SOURCE, "one"),
            Some("fn one() {\n    if true {\n    }\n}\n")
        );
        assert_eq!(function(SOURCE, "three"), None);
        assert_eq!(
            function(SOURCE, "two"),
            None,
            "a body on one line has no last brace"
        );
    }
}
