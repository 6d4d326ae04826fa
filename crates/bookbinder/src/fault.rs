//! What is wrong with the book, and where.

use std::fmt;
use std::path::PathBuf;

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, relative to the course's root.
    pub file: PathBuf,
    /// The line, counted from 1. 0 if the whole file is meant.
    pub line: usize,
    /// What is wrong, and what to do.
    pub what: String,
}

impl Fault {
    pub(crate) fn new(file: impl Into<PathBuf>, line: usize, what: impl Into<String>) -> Self {
        Fault {
            file: file.into(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.what)
    }
}
