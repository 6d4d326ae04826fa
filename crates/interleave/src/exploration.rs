//! What an exploration found, as plain data that the subject sends to the judge.

use interleave_model::kernel::failure as model;
use records::position::FailureKind;
use records::{Place, Timeline};
use serde::{Deserialize, Serialize};

/// One of the explored worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum World {
    /// Every schedule, with sequentially consistent memory: shuttle.
    Schedules,
    /// Everything that the memory model allows: loom.
    Orderings,
}

/// What went wrong, and how to reproduce it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// Its kind.
    pub kind: FailureKind,
    /// The cause: one sentence, perhaps followed by lines about each thread.
    pub message: String,
    /// Where in the source, if known.
    pub at: Option<Place>,
    /// The schedule, for [`crate::REPLAY`]; empty in the orderings world, which has none.
    pub schedule: String,
    /// What the threads did until then.
    pub timeline: Timeline,
}

/// What an exploration found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Exploration {
    /// Which world was explored.
    pub world: World,
    /// How many schedules were run (in the orderings world: executions).
    pub schedules: u64,
    /// Whether these were all the different ones.
    pub complete: bool,
    /// The most scheduling points that the code under test reached in one run.
    pub scheduling_points: u64,
    /// The first failure.
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
    /// What was covered, in words: `all 20 schedules` or `2,000 schedules, then the budget was used up`.
    #[must_use]
    pub fn coverage(&self) -> String {
        let noun = match self.world {
            World::Schedules => "schedule",
            World::Orderings => "execution",
        };
        let plural = if self.schedules == 1 { "" } else { "s" };
        let count = with_commas(self.schedules);
        // loom leaves out a few orders of lock operations that shuttle tries.
        let told_apart = match self.world {
            World::Schedules => "",
            World::Orderings => " that loom tells apart",
        };
        if self.complete && self.schedules == 1 {
            format!("the only {noun}{told_apart}")
        } else if self.complete {
            format!("all {count} {noun}{plural}{told_apart}")
        } else if self.replayed.is_some() {
            format!("one {noun}, replayed")
        } else if self.failure.is_some() {
            format!("{count} {noun}{plural} until the failure")
        } else {
            format!("{count} {noun}{plural}, then the budget was used up")
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
    use super::with_commas;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(with_commas(7), "7");
        assert_eq!(with_commas(100), "100");
        assert_eq!(with_commas(2_000), "2,000");
        assert_eq!(with_commas(12_345_678), "12,345,678");
    }
}
