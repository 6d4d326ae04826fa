//! `cargo course verify | answers | bundle | new`: reads the command line, calls
//! the library, exits with its verdict.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use judging::terminal::complain;
use judging::{Course, Trouble};
use workshop::cli::{Cli, Command};
use workshop::{bundle::bundle, new::new, verify};

/// The exit code of "could not be told"; clap's usage errors have it too.
const NOT_TOLD: u8 = 2;

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(code) => ExitCode::from(code),
        Err(trouble) => {
            complain(&trouble.to_string());
            ExitCode::from(NOT_TOLD)
        }
    }
}

fn run(command: &Command) -> Result<u8, Trouble> {
    let here = std::env::current_dir().map_err(Trouble::reading(".".as_ref()))?;
    match command {
        // What needs no course works outside of one.
        Command::Verify(options) if let Some(folder) = &options.run_only => {
            verify::run_only(folder, options)
        }
        Command::Verify(options) => verify::verify(&whole_course(&here)?, options),
        Command::Answers(options) => verify::answers(&whole_course(&here)?, options),
        Command::Bundle { folder } => bundle(&whole_course(&here)?, &here.join(folder)),
        Command::New { name, explored } => new(&whole_course(&here)?, name, *explored),
    }
}

/// The course around this folder, with its solutions.
fn whole_course(here: &Path) -> Result<Course, Trouble> {
    let course = Course::find(here)?;
    course.refuse_a_bundle()?;
    Ok(course)
}
