//! What an exploration found, as plain data that the subject sends to the judge.

use interleave_model::kernel::failure as model;
use records::position::FailureKind;
use records::{Place, Timeline};
use serde::{Deserialize, Serialize};

/// What went wrong, and how to reproduce it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Its kind.
    pub kind: FailureKind,
    /// The cause: one sentence, perhaps followed by lines about each thread.
    pub message: String,
    /// Where in the source, if known.
    pub at: Option<Place>,
    /// The schedule, for [`crate::REPLAY`].
    pub schedule: String,
    /// What the threads did until then.
    pub timeline: Timeline,
}

/// What ended an exploration before it had visited all executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// It has visited as many as [`crate::Explore::executions`] allows.
    Executions,
    /// They had so many steps that the budget of executions did not suffice.
    Effort,
    /// The time of [`crate::Explore::time`] was up.
    Time,
    /// Too many parts of the search waited for their turn, and some were left out.
    Memory,
}

/// What an exploration found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Exploration {
    /// How many executions were visited, each once.
    pub executions: u64,
    /// Whether these were all.
    pub complete: bool,
    /// What ended the search, if it was ended.
    pub limit: Option<Limit>,
    /// How many runs that took: also those that turned out to show an execution that another run
    /// shows.
    pub runs: u64,
    /// How many executions were longer than the limit and were not followed to their end.
    pub cut: u64,
    /// Whether a thread could have failed or woken up for no reason once more than is tried.
    pub bounded: bool,
    /// How often each thread could do that.
    pub spurious: u32,
    /// The most operations of the code under test in one execution.
    pub scheduling_points: u64,
    /// The simplest failure that was found.
    pub failure: Option<Failure>,
    /// Why there is no verdict, if there is none.
    pub not_judged: Option<String>,
    /// What a replay did, whether it failed or not.
    pub replayed: Option<Timeline>,
    /// Whether the schedule to replay belongs to another scenario, so that nothing was run.
    pub is_other: bool,
    /// How long it took.
    pub millis: u64,
}

impl Exploration {
    /// What was covered, in words: `all 20 executions` or `2,000 executions, which is the limit`.
    #[must_use]
    pub fn coverage(&self) -> String {
        let plural = if self.executions == 1 { "" } else { "s" };
        let count = with_commas(self.executions);
        if self.replayed.is_some() {
            return "one execution, replayed".to_owned();
        }
        if self.failure.is_some() {
            return format!("{count} execution{plural} until the failure");
        }
        let bound = match (self.bounded, self.spurious) {
            (false, _) => String::new(),
            (true, 0) => " in which no thread fails or wakes up for no reason".to_owned(),
            (true, 1) => {
                " in which each thread fails or wakes up for no reason once at most".to_owned()
            }
            (true, times) => format!(
                " in which each thread fails or wakes up for no reason {times} times at most"
            ),
        };
        match (self.complete, self.executions, self.cut) {
            (true, 1, _) => format!("the only execution{bound}"),
            (true, _, _) => format!("all {count} executions{bound}"),
            (false, 0, 0) if self.not_judged.is_some() => "nothing was explored".to_owned(),
            (false, _, 0) => {
                let why = match self.limit {
                    Some(Limit::Executions) => "which is the limit",
                    Some(Limit::Effort) => {
                        "which are so long that they count as many as the limit allows"
                    }
                    Some(Limit::Time) => "then the time was up",
                    Some(Limit::Memory) => "and some were left out, because too many waited",
                    None => "and not all",
                };
                format!("{count} execution{plural}, {why}")
            }
            (false, _, cut) => format!(
                "{count} execution{plural}; {} more took too many steps to be followed to the end",
                with_commas(cut)
            ),
        }
    }
}

fn with_commas(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The explorer's kind of a failure, as the course's tools know it.
pub(crate) fn kind(kind: model::FailureKind) -> FailureKind {
    match kind {
        model::FailureKind::Panic => FailureKind::Panic,
        model::FailureKind::Assertion => FailureKind::Assertion,
        model::FailureKind::Deadlock => FailureKind::Deadlock,
        model::FailureKind::Spin => FailureKind::Spin,
        model::FailureKind::Race => FailureKind::Race,
        model::FailureKind::Leak => FailureKind::Leak,
    }
}

pub(crate) fn place(at: model::At) -> Place {
    Place {
        file: at.file,
        line: at.line,
    }
}

#[cfg(test)]
mod tests {
    use super::{Exploration, Limit, with_commas};

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(with_commas(7), "7");
        assert_eq!(with_commas(100), "100");
        assert_eq!(with_commas(2_000), "2,000");
        assert_eq!(with_commas(12_345_678), "12,345,678");
    }

    #[test]
    fn the_coverage_says_what_was_left_out() {
        let mut found = Exploration {
            executions: 1_680,
            complete: true,
            spurious: 1,
            ..Exploration::default()
        };
        assert_eq!(found.coverage(), "all 1,680 executions");
        found.bounded = true;
        assert!(
            found
                .coverage()
                .starts_with("all 1,680 executions in which each thread")
        );
        found.complete = false;
        for (limit, words) in [
            (Limit::Executions, "which is the limit"),
            (Limit::Time, "then the time was up"),
        ] {
            found.limit = Some(limit);
            assert_eq!(found.coverage(), format!("1,680 executions, {words}"));
        }
        found.cut = 3;
        assert!(found.coverage().contains("3 more took too many steps"));
    }
}
