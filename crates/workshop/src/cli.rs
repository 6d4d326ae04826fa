//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The authors' and instructors' part of `cargo course`.
///
/// Exit codes: 0 everything agrees, 1 something does not, 2 it could not be told.
#[derive(Debug, Parser)]
#[command(name = "cargo course", bin_name = "cargo course", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the workshop can do.
#[derive(Debug, Subcommand)]
pub enum Command {
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
