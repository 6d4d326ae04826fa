//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A course on processes, threads and coroutines.
///
/// Alone, in a terminal, it goes with you from exercise to exercise; without
/// a terminal it checks the exercise that is next.
/// Exit codes: 0 all passed, 1 judged and failed, 2 could not judge.
#[derive(Debug, Parser)]
#[command(name = "cargo course", bin_name = "cargo course", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Lines only, nothing redrawn: for screen readers
    #[arg(long)]
    pub plain: bool,
}

/// What `cargo course` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The exercises in their order, and which are passed
    List,
    /// Judge whenever you save, and show hints, verdicts and what is next
    Watch {
        /// Lines only, nothing redrawn: for screen readers
        #[arg(long)]
        plain: bool,
    },
    /// How far you are, and how many minutes are left
    Progress {
        /// As one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Judge an exercise
    Check(Check),
    /// Show the next hint, or hint N
    Hint {
        /// The exercise (the next one if left out)
        exercise: Option<String>,
        /// Which of the three hints
        number: Option<usize>,
    },
    /// Put the stub back in place of your file; a backup is kept
    Reset {
        /// The exercise
        exercise: String,
        /// Put tests, manifest and texts back instead, and leave your file alone
        #[arg(long)]
        tests: bool,
    },
    /// Show the course's solution
    Solution {
        /// The exercise
        exercise: String,
        /// Before you have passed it
        #[arg(long)]
        give_up: bool,
    },
    /// Run a schedule that failed once more, and draw it
    Replay {
        /// The exercise
        exercise: String,
        /// The schedule as the verdict gave it, such as a3b2a
        schedule: String,
        /// Only this test
        #[arg(long)]
        test: Option<String>,
        /// Of this file in place of src/lib.rs
        #[arg(long, value_name = "FILE")]
        source: Option<PathBuf>,
    },
    /// Be the scheduler of your own code: step its threads until it breaks
    Schedule(Schedule),
    /// What each thread of a process waits for
    WhoWaits {
        /// The process's number
        pid: i32,
    },
    /// What lessons claim, measured on this machine: all, `only 21 63`, `show 21`
    #[command(disable_help_flag = true)]
    Claims {
        /// Given to the ledger as they are; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Whether this machine offers what the course needs
    Doctor,
    /// The process that judges for the loop
    #[command(hide = true, name = crate::live::run::COMMAND)]
    JudgeForTheLoop {
        /// The exercise
        exercise: String,
    },
    /// For authors: whether stubs, solutions, alternatives, mistakes and texts agree
    #[command(disable_help_flag = true)]
    Verify(Workshop),
    /// For authors: judge a folder of right and wrong answers, and list where the tests disagree
    #[command(disable_help_flag = true)]
    Answers(Workshop),
    /// For instructors: copy the course for students, without solutions and mistakes
    #[command(disable_help_flag = true)]
    Bundle(Workshop),
    /// For authors: begin an exercise, with every place to fill in marked
    #[command(disable_help_flag = true)]
    New(Workshop),
}

/// What the workshop, a program of its own, is given as it is.
#[derive(Debug, clap::Args)]
pub struct Workshop {
    /// `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

/// `check`
#[derive(Debug, Default, clap::Args)]
pub struct Check {
    /// The exercise (the next one if left out)
    pub exercise: Option<String>,
    /// Judge this file in place of src/lib.rs (`-`: standard input)
    #[arg(long, value_name = "FILE")]
    pub source: Option<PathBuf>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "explain")]
    pub json: bool,
    /// What was asked, answered and observed, and how to repeat it
    #[arg(long)]
    pub explain: bool,
    /// Compile the source whatever names it uses: the judge has to hold alone
    #[arg(long)]
    pub without_policy: bool,
}

/// `schedule`
#[derive(Debug, clap::Args)]
pub struct Schedule {
    /// The exercise
    pub exercise: String,
    /// A scenario, or a test that explores one
    #[arg(value_name = "TEST")]
    pub of: Option<String>,
    /// Of this file in place of src/lib.rs
    #[arg(long, value_name = "FILE", conflicts_with = "reference")]
    pub source: Option<PathBuf>,
    /// Of the course's solution, which no schedule breaks
    #[arg(long)]
    pub reference: bool,
    /// With --reference: before you have passed it
    #[arg(long, requires = "reference")]
    pub give_up: bool,
    /// Lines only, nothing redrawn: reads a, b, u, r, q from standard input
    #[arg(long)]
    pub plain: bool,
}
