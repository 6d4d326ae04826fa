//! The ledger of claims: what was measured on one machine, and the verdicts.
//!
//! The program `claims` measures and prints it (`--json`); whoever shows it to
//! people draws it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The whole ledger. `--json` prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The machine on which the claims were measured.
    pub machine: Machine,
    /// The results, in the order of the claims' numbers.
    pub entries: Vec<Entry>,
}

impl Ledger {
    /// Returns the entries whose verdict contradicts the course.
    pub fn contradictions(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.contradicts())
    }
}

/// The reader's own ledger: what `cargo course claims` has measured on this
/// machine until now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The format of the file: [`Kept::FORMAT`].
    pub format: u32,
    /// The latest entry of each claim.
    pub ledger: Ledger,
}

impl Kept {
    /// The file, relative to cargo's target folder.
    pub const FILE: &'static str = "course/ledger.json";
    /// The format that this version of the course writes and reads.
    pub const FORMAT: u32 = 1;

    /// Keeps only this ledger.
    #[must_use]
    pub fn of(ledger: Ledger) -> Kept {
        Kept {
            format: Kept::FORMAT,
            ledger,
        }
    }

    /// Whether it is in this version's format and was measured on this machine.
    #[must_use]
    pub fn is_of(&self, machine: &Machine) -> bool {
        let Machine {
            processor,
            architecture,
            ..
        } = &self.ledger.machine;
        self.format == Kept::FORMAT
            && *processor == machine.processor
            && *architecture == machine.architecture
    }

    /// Adds the entries of a newer ledger. A newer entry replaces an older one of
    /// the same claim.
    #[must_use]
    pub fn with(mut self, newer: Ledger) -> Kept {
        let Ledger { machine, entries } = newer;
        let all = &mut self.ledger.entries;
        all.retain(|old| entries.iter().all(|new| new.number != old.number));
        all.extend(entries);
        all.sort_by_key(|entry| entry.number);
        self.ledger.machine = machine;
        self
    }
}

/// What a reader must know about a machine to compare its figures with those of
/// another machine. A field is `None` if the machine does not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The name of the processor.
    pub processor: Option<String>,
    /// `x86_64` or `aarch64`.
    pub architecture: String,
    /// The number of CPUs on which this program may run.
    pub cpus: usize,
    /// Whether the machine runs under a hypervisor. In a virtual machine it takes
    /// long to wake up an idle CPU.
    pub virtual_machine: bool,
    /// The release of the kernel, such as `6.12.0`.
    pub kernel: Option<String>,
    /// The setting for transparent huge pages: `always`, `madvise` or `never`. It
    /// changes the cost of a fork by a factor of a hundred.
    pub huge_pages: Option<String>,
    /// The setting `ptrace_scope` of the security module Yama. It says who may
    /// read the memory of another process: a process of the same user (0), an
    /// ancestor (1), root (2) or nobody (3). `None` means that there is no Yama,
    /// which has the same effect as 0.
    pub ptrace_scope: Option<u8>,
    /// Whether the program ran as root, to whom some limits do not apply.
    pub root: bool,
    /// The load average: how many programs wanted a CPU, on average over the last
    /// minute.
    pub load: Option<String>,
}

/// A claim and what was measured for it. `--json` prints one entry for each claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The claim's number.
    pub number: u16,
    /// The claim as one sentence.
    pub says: String,
    /// The lessons that make the claim.
    pub lessons: Vec<Lesson>,
    /// What the course knows about the claim.
    pub truth: Truth,
    /// The verdict on this machine.
    pub verdict: Verdict,
    /// The reason, in one or more sentences. After the verdict "holds when" it
    /// begins with the condition.
    pub reason: String,
    /// How long all attempts took together, in milliseconds.
    pub millis: u64,
    /// How many times the experiment ran. It runs again if the machine was too
    /// noisy.
    pub attempts: u32,
    /// The facts, figures and ratios of the last attempt.
    #[serde(flatten)]
    pub notes: Notes,
}

impl Entry {
    /// Returns whether the verdict contradicts the course. The verdicts "too
    /// noisy to say" and "skipped" contradict nothing.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        self.verdict.says_something() && self.verdict != self.truth.expected()
    }
}

/// What the course knows about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    /// The claim is true.
    True,
    /// The claim is true only under a condition, which it leaves out.
    Half,
    /// The claim is wrong.
    Wrong,
}

impl Truth {
    /// Returns the verdict that the course expects from a machine that can run the
    /// experiment and is quiet enough.
    #[must_use]
    pub fn expected(self) -> Verdict {
        match self {
            Truth::True => Verdict::Holds,
            Truth::Half => Verdict::HoldsWhen,
            Truth::Wrong => Verdict::DoesNotHold,
        }
    }
}

/// The lessons on which the course is built. Each name says what the lesson is
/// about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lesson {
    /// Compares processes and threads with roommates.
    Roommates,
    /// Compares a process with a restaurant, and threads with its chefs.
    Restaurant,
    /// One of a series of lessons that are called "bytes".
    Byte,
    /// Compares processes with the offices of a building.
    Office,
    /// Computes squares with Python's `multiprocessing` and `threading`.
    Squares,
}

impl fmt::Display for Lesson {
    /// Writes the lesson's title.
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

/// The result of the experiment for a claim on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The claim is true here.
    Holds,
    /// The claim is true here under a condition. The reason names the condition.
    HoldsWhen,
    /// The claim is wrong here.
    DoesNotHold,
    /// The experiment hung or crashed. That is never expected.
    Unfinished,
    /// There is no answer, because other programs disturbed the experiment.
    TooNoisy,
    /// There is no answer, because the machine does not allow the experiment.
    Skipped,
}

impl Verdict {
    /// Returns whether the experiment gave an answer.
    #[must_use]
    pub fn says_something(self) -> bool {
        !matches!(self, Verdict::TooNoisy | Verdict::Skipped)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Holds => "holds",
            Verdict::HoldsWhen => "holds when",
            Verdict::DoesNotHold => "does not hold",
            Verdict::Unfinished => "did not finish",
            Verdict::TooNoisy => "too noisy to say",
            Verdict::Skipped => "skipped",
        })
    }
}

/// The notes of one experiment, in the order in which it took them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Notes {
    /// What was observed, mostly answers of the kernel.
    pub facts: Vec<Fact>,
    /// What was measured, with all samples.
    pub figures: Vec<Figure>,
    /// Which measurements were compared.
    pub ratios: Vec<Ratio>,
}

/// One observation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fact {
    /// What the experiment looked at.
    pub what: String,
    /// What it found.
    pub found: String,
}

/// The unit of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// The samples are times in nanoseconds.
    Nanoseconds,
    /// The samples are plain numbers.
    Count,
}

/// Samples, their median, and the interval that contains the true median with
/// 95 % confidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The name of what was measured.
    pub name: String,
    /// The unit of the samples.
    pub unit: Unit,
    /// The median of the samples.
    pub middle: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
    /// The samples, one from each round.
    pub samples: Vec<f64>,
}

/// The ratio of two figures, computed round by round, with its 95 % interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The name of the numerator.
    pub of: String,
    /// The name of the denominator.
    pub to: String,
    /// The estimated ratio.
    pub middle: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ratio {
            of,
            to,
            middle,
            low,
            high,
        } = self;
        let [middle, low, high] = [middle, low, high].map(|value| times(*value));
        write!(f, "{of} / {to}: {middle} ({low} to {high})")
    }
}

/// Returns a ratio with as many digits as people would say: `1.06`, `14`, `2300`.
#[must_use]
pub fn times(ratio: f64) -> String {
    match ratio {
        small if small < 9.95 => format!("{small:.2}"),
        middling if middling < 99.5 => format!("{middling:.0}"),
        large => format!("{:.0}", (large / 10.0).round() * 10.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_rounded_as_people_say_them() {
        assert_eq!(
            [1.058, 9.96, 14.4, 2304.0].map(times),
            ["1.06", "10", "14", "2300"]
        );
    }
}
