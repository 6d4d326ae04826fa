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
    /// Whether stubs, solutions, alternatives, mistakes and texts agree
    Verify(Verify),
    /// Judge a folder of right and wrong answers: where do the tests disagree?
    Answers(Answers),
    /// Copy the course for students: without solutions and mistakes
    Bundle {
        /// Where to; it must not be there, or be empty
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Begin an exercise: all its files, with every place to fill in marked
    New {
        /// The topic and the exercise's name, such as sync/ticket-lock
        #[arg(value_name = "TOPIC/EXERCISE")]
        name: String,
        /// It explores schedules and orderings
        #[arg(long)]
        worlds: bool,
    },
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

/// `verify`
#[derive(Debug, Default, clap::Args)]
pub struct Verify {
    /// The exercises (all if left out)
    pub exercises: Vec<String>,
    /// How often each verdict must come out the same
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub repeat: u32,
    /// How many programs run at a time
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub jobs: usize,
    /// Take the exercises as they are now for the originals
    #[arg(long)]
    pub bless: bool,
    /// Only print each clause of the contracts with its tests and mistakes
    #[arg(long)]
    pub clauses: bool,
    /// Only build, and collect all programs in this folder
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["bless", "run_only"])]
    pub build_only: Option<PathBuf>,
    /// Only run what --build-only collected; needs no cargo and no sources
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["bless", "exercises"])]
    pub run_only: Option<PathBuf>,
}

/// `answers`
#[derive(Debug, clap::Args)]
pub struct Answers {
    /// The exercises (all that have answers if left out)
    pub exercises: Vec<String>,
    /// A folder with right/*.rs and wrong/*.rs, or one such folder for each
    /// exercise (the answers that the course keeps if left out)
    #[arg(long, value_name = "FOLDER")]
    pub from: Option<PathBuf>,
    /// How often each verdict must come out the same
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub repeat: u32,
    /// How many programs run at a time
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub jobs: usize,
}
