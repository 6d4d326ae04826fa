//! `cargo course`: reads the command line, calls the library, and exits with
//! the code that the library returns.

use std::process::ExitCode;

use course::cli::{Check, Cli, Command};
use course::schedule::{Schedule, schedule};
use course::{commands, live};
use judging::terminal::complain;
use judging::{Course, Trouble};

/// The exit code for "could not judge". clap uses the same code for usage errors.
const NOT_JUDGED: u8 = 2;

fn main() -> ExitCode {
    match run(&Cli::read()) {
        Ok(code) => ExitCode::from(code),
        Err(trouble) => {
            complain(&trouble.to_string());
            ExitCode::from(NOT_JUDGED)
        }
    }
}

fn run(cli: &Cli) -> Result<u8, Trouble> {
    let here = std::env::current_dir().map_err(Trouble::reading(".".as_ref()))?;
    // These commands need no course, so they also work outside of one.
    match &cli.command {
        Some(Command::WhoWaits { pid }) => return commands::who_waits(*pid),
        Some(Command::Doctor) => return commands::doctor(&here),
        _ => {}
    }
    let course = Course::find(&here)?;
    match &cli.command {
        None => begin(&course, None, cli.plain),
        Some(Command::Watch { exercise, plain }) => {
            begin(&course, exercise.as_deref(), *plain || cli.plain)
        }
        Some(Command::Progress { json }) => commands::progress(&course, *json),
        Some(Command::JudgeForTheLoop { exercise, only }) => {
            live::judge_for_the_loop(&course, exercise, only)
        }
        Some(Command::List) => commands::list(&course),
        Some(Command::Check(options)) => commands::check(&course, options),
        Some(Command::Hint { exercise, number }) => {
            commands::hint(&course, (exercise.as_deref(), *number))
        }
        Some(Command::Reset { exercise, tests }) => commands::reset(&course, exercise, *tests),
        Some(Command::Solution { exercise, give_up }) => {
            commands::solution(&course, exercise, *give_up)
        }
        Some(Command::Replay {
            exercise,
            schedule,
            test,
            source,
        }) => {
            let replay = commands::Replay {
                schedule,
                test: test.as_deref(),
                source: source.as_deref(),
            };
            commands::replay(&course, exercise, &replay)
        }
        Some(Command::Schedule(options)) => {
            let asked = Schedule {
                of: options.of.as_deref(),
                source: options.source.as_deref(),
                reference: options.reference,
                give_up: options.give_up,
                plain: options.plain || cli.plain,
            };
            schedule(&course, &options.exercise, &asked)
        }
        Some(Command::Claims { arguments }) => commands::claims(&course, arguments),
        Some(Command::Book { arguments }) => commands::book(&course, arguments),
        Some(Command::Verify(given)) => commands::workshop(&course, "verify", &given.arguments),
        Some(Command::Answers(given)) => commands::workshop(&course, "answers", &given.arguments),
        Some(Command::Bundle(given)) => commands::workshop(&course, "bundle", &given.arguments),
        Some(Command::New(given)) => commands::workshop(&course, "new", &given.arguments),
        Some(Command::WhoWaits { pid }) => commands::who_waits(*pid),
        Some(Command::Doctor) => commands::doctor(&here),
    }
}

/// Starts the loop if there is a terminal; otherwise checks the exercise, or the next one, once.
fn begin(course: &Course, exercise: Option<&str>, plain: bool) -> Result<u8, Trouble> {
    match (live::is_possible(), exercise) {
        (true, exercise) => live::live(course, exercise, plain),
        (false, None) => commands::next(course),
        (false, Some(exercise)) => commands::check(course, &Check::of(exercise)),
    }
}
