//! The command line.

use std::path::{Path, PathBuf};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// A course on processes, threads and coroutines.
///
/// Without a command, in a terminal, it shows the next exercise, judges your
/// file whenever you save it, and leads you from exercise to exercise.
/// Without a command and without a terminal, it checks the next exercise once.
///
/// Exit codes: 0 if all tests passed, 1 if your code was judged and failed, 2
/// if it could not be judged.
#[derive(Debug, Parser)]
#[command(name = "cargo course", bin_name = "cargo course", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Print lines only and redraw nothing, for screen readers
    #[arg(long)]
    pub plain: bool,
}

impl Cli {
    /// Reads the command line, or ends the program with a message about it.
    #[must_use]
    pub fn read() -> Self {
        let command = Cli::command();
        // A student's copy does not have the program that the other commands start.
        let workshop = concat!(env!("CARGO_MANIFEST_DIR"), "/../workshop");
        let command = match Path::new(workshop).is_dir() {
            true => {
                let others = others(&command);
                command.after_help(others)
            }
            false => command,
        };
        Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

/// The commands that a learner does not need. They are hidden, and what they are
/// about begins with those whom they are for.
fn others(command: &clap::Command) -> String {
    let mut text = String::new();
    for whom in ["For instructors: ", "For authors: "] {
        text += &format!("{}\n", whom.trim_end());
        for one in command.get_subcommands() {
            let about = one.get_about().map(ToString::to_string).unwrap_or_default();
            if let Some(does) = about.strip_prefix(whom) {
                text += &format!("  {:10} {does}\n", one.get_name());
            }
        }
        text.push('\n');
    }
    text
}

/// What `cargo course` can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the exercises in their order, and show which of them you have passed
    List,
    /// Show the task, judge your file whenever you save it, and show the verdict
    #[command(visible_alias = "next")]
    Watch {
        /// The exercise (the one where you were if left out)
        exercise: Option<String>,
        /// Print lines only and redraw nothing, for screen readers
        #[arg(long)]
        plain: bool,
    },
    /// Show how far you are, and how many minutes are left
    Progress {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Judge an exercise
    #[command(visible_alias = "run")]
    Check(Check),
    /// Show the next hint, or hint N
    Hint {
        /// The exercise (the next one if left out)
        exercise: Option<String>,
        /// Which of the three hints (the next one if left out)
        number: Option<usize>,
    },
    /// Put the stub back, and keep your file as a backup
    Reset {
        /// The exercise
        exercise: String,
        /// Put the tests, the manifests and the texts back instead, and leave
        /// your src/lib.rs alone
        #[arg(long)]
        tests: bool,
    },
    /// Show the course's solution
    Solution {
        /// The exercise
        exercise: String,
        /// Show it although you have not passed the exercise
        #[arg(long)]
        give_up: bool,
    },
    /// Run one schedule again, and draw it step by step
    Replay {
        /// The exercise, or `book` for the game in the book's chapter 4
        exercise: String,
        /// The schedule as the verdict or the book shows it, such as both_lock:a3b2a
        schedule: String,
        /// Run only this test
        #[arg(long)]
        test: Option<String>,
        /// Run this file instead of src/lib.rs
        #[arg(long, value_name = "FILE")]
        source: Option<PathBuf>,
    },
    /// Be the scheduler of your own code: choose which thread takes the next step
    Schedule(Schedule),
    /// Show what each thread of a process waits for
    WhoWaits {
        /// The ID of the process
        pid: i32,
    },
    /// Measure on this machine what the lessons claim
    /// (all claims, or `21 63`, or `show 21`)
    #[command(disable_help_flag = true)]
    Claims {
        /// Passed on unchanged to the program that measures; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Read the book in a browser on this machine
    /// (`build` writes it to a folder, `check` runs everything in it again)
    #[command(disable_help_flag = true)]
    Book {
        /// Passed on unchanged to the program that builds the book; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Check whether this machine offers what the course needs
    Doctor,
    /// Judge an exercise for the loop, in a process of its own
    #[command(hide = true, name = crate::live::run::COMMAND)]
    JudgeForTheLoop {
        /// The exercise
        exercise: String,
        /// The tests to run (all if left out)
        only: Vec<String>,
    },
    /// For authors: check that stubs, solutions, alternatives, mistakes and texts agree
    #[command(disable_help_flag = true, hide = true)]
    Verify(Workshop),
    /// For authors: judge a folder of right and wrong answers, and show where
    /// the tests disagree
    #[command(disable_help_flag = true, hide = true)]
    Answers(Workshop),
    /// For instructors: copy the course for students, without solutions and mistakes
    #[command(disable_help_flag = true, hide = true)]
    Bundle(Workshop),
    /// For authors: make a new exercise in which every place to fill in is marked
    #[command(disable_help_flag = true, hide = true)]
    New(Workshop),
}

/// Arguments that are passed on to the program `workshop`.
#[derive(Debug, clap::Args)]
pub struct Workshop {
    /// `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub arguments: Vec<String>,
}

/// The arguments of `check`.
#[derive(Debug, Default, clap::Args)]
pub struct Check {
    /// The exercise (if left out, the one in whose folder you are, or the next one)
    pub exercise: Option<String>,
    /// Judge these files instead of src/lib.rs (`-` means standard input; a .patch is a diff
    /// against the solution)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub source: Vec<PathBuf>,
    /// Judge all exercises
    #[arg(long, conflicts_with_all = ["exercise", "source", "explain"])]
    pub all: bool,
    /// Print one JSON object per line
    #[arg(long, conflicts_with = "explain")]
    pub json: bool,
    /// Show what each test asked, what your code answered, what the judge
    /// observed, and how to repeat it
    #[arg(long)]
    pub explain: bool,
    /// Let the compiler see names that the course otherwise refuses
    #[arg(long)]
    pub without_policy: bool,
}

impl Check {
    /// Judges an exercise, and nothing else is asked for.
    pub fn of(exercise: &str) -> Self {
        Check {
            exercise: Some(exercise.to_owned()),
            ..Check::default()
        }
    }
}

/// The arguments of `schedule`.
#[derive(Debug, clap::Args)]
pub struct Schedule {
    /// The exercise
    pub exercise: String,
    /// A scenario, a schedule to begin with (such as both_lock:a3b2a), or a test that
    /// explores a scenario (not needed if there is only one scenario)
    #[arg(value_name = "TEST")]
    pub of: Option<String>,
    /// Schedule this file instead of src/lib.rs
    #[arg(long, value_name = "FILE", conflicts_with = "reference")]
    pub source: Option<PathBuf>,
    /// Schedule the course's solution, which no schedule breaks
    #[arg(long)]
    pub reference: bool,
    /// With --reference: do so although you have not passed the exercise
    #[arg(long, requires = "reference")]
    pub give_up: bool,
    /// Print lines only and redraw nothing; read moves (a, b, ab2, u, r, q)
    /// from standard input
    #[arg(long)]
    pub plain: bool,
}
