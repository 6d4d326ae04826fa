//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The authors' and instructors' part of `cargo course`.
///
/// Exit codes: 0 everything agrees, 1 something does not agree, 2 the check was not possible.
#[derive(Debug, Parser)]
#[command(name = "cargo course", bin_name = "cargo course", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// What the workshop can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// For authors: check that stubs, solutions, alternatives, mistakes and texts agree
    Verify(Verify),
    /// For authors: judge a folder of right and wrong answers, and show where
    /// the tests disagree
    Answers(Answers),
    /// For instructors: copy the course for students, without solutions and mistakes
    Bundle {
        /// The folder to make; it must not exist yet, or must be empty
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// For authors: make a new exercise in which every place to fill in is marked
    New {
        /// The topic and the name of the exercise, such as sync/ticket-lock
        #[arg(value_name = "TOPIC/EXERCISE")]
        name: String,
        /// The exercise explores schedules and memory orderings
        #[arg(long)]
        explored: bool,
    },
}

/// The arguments of `verify`.
#[derive(Debug, Default, clap::Args)]
pub struct Verify {
    /// The exercises (all if left out)
    pub exercises: Vec<String>,
    /// How often each program runs; each run must give the same verdict
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub repeat: u32,
    /// How many programs run at the same time
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub jobs: usize,
    /// Record the exercises as they are now as the originals, and what each
    /// test says about each mistake
    #[arg(long)]
    pub bless: bool,
    /// Record only the tasks, hints, comments and the clauses that tests name as
    /// they are now. Nothing is judged again, and it is an error if code has
    /// changed
    #[arg(long, conflicts_with = "bless")]
    pub bless_texts: bool,
    /// Only print each clause of the contracts with its tests and mistakes
    #[arg(long)]
    pub clauses: bool,
    /// Only build, and copy all programs to this folder
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["bless", "run_only"])]
    pub build_only: Option<PathBuf>,
    /// Only run what --build-only copied to this folder; this needs neither
    /// cargo nor the sources
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["bless", "exercises"])]
    pub run_only: Option<PathBuf>,
}

/// The arguments of `answers`.
#[derive(Debug, clap::Args)]
pub struct Answers {
    /// The exercises (all that have answers if left out)
    pub exercises: Vec<String>,
    /// A folder with right/*.rs and wrong/*.rs, or with one such folder for
    /// each exercise (the answers that the course keeps if left out)
    #[arg(long, value_name = "FOLDER")]
    pub from: Option<PathBuf>,
    /// Judge only the right or only the wrong answers
    #[arg(long, value_name = "KIND", value_parser = ["right", "wrong"])]
    pub only: Option<String>,
    /// How often each program runs; each run must give the same verdict
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub repeat: u32,
    /// How many programs run at the same time
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub jobs: usize,
}
