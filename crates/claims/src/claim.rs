//! A claim: a sentence from a lesson, and the experiment that tests it.

use records::ledger::{Lesson, Truth};

use crate::{Judged, Record};

/// One claim and its experiment. Readers are meant to see the code of the
/// experiment, which [`Claim::code`] returns.
#[derive(Debug)]
pub struct Claim {
    /// The claim's number in the course's list of claims.
    pub number: u16,
    /// The claim as one sentence, in the course's words.
    pub says: &'static str,
    /// The lessons that make this claim. It is empty if the course adds the claim
    /// because all lessons leave it out.
    pub lessons: &'static [Lesson],
    /// Whether the claim is true.
    pub truth: Truth,
    /// The experiment: it fills the record and returns the verdict.
    pub measure: fn(&mut Record) -> Judged,
    /// The name of the experiment's function.
    pub name: &'static str,
    /// The path of the file that contains this function.
    pub file: &'static str,
    /// The text of that file.
    pub source: &'static str,
}

impl Claim {
    /// Returns the experiment's function with the comment above it, as they stand
    /// in the file. If the function is not found, returns the whole file.
    #[must_use]
    pub fn code(&self) -> &'static str {
        function(self.source, self.name).unwrap_or(self.source)
    }
}

/// Finds a function by its layout: rustfmt puts the closing brace of a function
/// at the start of a line, and indents everything else in the function.
fn function(source: &'static str, name: &str) -> Option<&'static str> {
    let start = source.find(&format!("\nfn {name}("))? + 1;
    let end = start + source[start..].find("\n}\n")? + 3;
    let is_comment = |line: &&str| line.starts_with("//");
    let above = source[..start].lines().rev().take_while(is_comment);
    let comment: usize = above.map(|line| line.len() + 1).sum();
    Some(&source[start - comment..end])
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
            "a body on one line has no closing brace at the start of a line"
        );
    }
}
