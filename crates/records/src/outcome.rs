//! How a judged test ended, and where.

use serde::{Deserialize, Serialize};

/// How a judged test ended.
///
/// Only [`Pass`](Outcome::Pass) passes. [`NotJudged`](Outcome::NotJudged) is
/// neither a pass nor a fail: the machine or the test could not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The code met every demand of the test.
    Pass,
    /// The code answered, but the answer or what the judge observed is wrong.
    Fail,
    /// The code panicked (a `todo!()` too).
    Panic,
    /// A signal ended the process: a fault, an abort, a kill.
    Crash,
    /// The process ended itself before it answered, with any status.
    Exit,
    /// Proved: all threads wait for one another, for ever.
    Deadlock,
    /// Proved: a thread repeats a loop in which nothing changes, for ever.
    Spin,
    /// No answer until the deadline, and nothing more could be proved.
    Timeout,
    /// The code left something behind: processes, zombies, or kernel objects
    /// such as shared memory.
    Leak,
    /// The code reached a limit of the test: CPU time, memory, processes,
    /// output.
    Limit,
    /// The source uses what this exercise does not allow.
    Refused,
    /// The source does not compile.
    CompileError,
    /// No verdict was possible; the cause says why.
    NotJudged,
}

impl Outcome {
    /// The name used in JSON, in patch headers and in the catalogue.
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::Panic => "panic",
            Outcome::Crash => "crash",
            Outcome::Exit => "exit",
            Outcome::Deadlock => "deadlock",
            Outcome::Spin => "spin",
            Outcome::Timeout => "timeout",
            Outcome::Leak => "leak",
            Outcome::Limit => "limit",
            Outcome::Refused => "refused",
            Outcome::CompileError => "compile-error",
            Outcome::NotJudged => "not-judged",
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The path as the compiler was given it.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
