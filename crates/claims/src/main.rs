//! The program `claims`: it measures the claims of the ledger. `cargo course
//! claims` starts it.

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::eprintln;
use claims::{Claim, Runner, claims, find, keep, show, this_machine};
use clap::{Args, Parser, Subcommand};
use records::ledger::{Entry, Ledger};

/// Measure on this machine what lessons on processes, threads and coroutines
/// claim.
///
/// Without a command, this measures all claims. The exit code is 0 if no verdict
/// contradicts the course, 1 if a verdict does, and 2 if nothing was measured:
/// because of an error, or because every verdict is "too noisy to say" or
/// "skipped".
#[derive(Debug, Parser)]
#[command(name = "claims", bin_name = "cargo course claims")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Debug, Args)]
struct Output {
    /// Print the verdicts and everything that was measured as one JSON object
    #[arg(long, global = true)]
    json: bool,
    /// Write a chart of what was measured for claim N to claim-N.svg in this folder
    #[arg(long, global = true, value_name = "FOLDER")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure one claim and show its figures and the code of its experiment
    Show {
        /// The number of the claim
        number: u16,
    },
    /// Measure only the claims with these numbers
    Only {
        /// The numbers of the claims
        #[arg(required = true)]
        numbers: Vec<u16>,
    },
    /// List all claims without measuring them
    List,
    /// Run one experiment in this process and print its entry
    #[command(hide = true)]
    Measure {
        /// The number of the claim
        number: u16,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse_from(with_a_word(std::env::args().collect()));
    match run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Numbers alone mean `only`.
fn with_a_word(mut arguments: Vec<String>) -> Vec<String> {
    let first = arguments.get(1).and_then(|first| first.parse::<u16>().ok());
    if first.is_some() {
        arguments.insert(1, "only".to_owned());
    }
    arguments
}

fn run(cli: &Cli) -> Result<u8, Box<dyn Error>> {
    match &cli.command {
        None => measure(claims().iter(), &cli.output),
        Some(Command::Only { numbers }) => {
            let mut chosen = numbers
                .iter()
                .map(|&n| named(n))
                .collect::<Result<Vec<_>, _>>()?;
            chosen.sort_by_key(|claim| claim.number);
            chosen.dedup_by_key(|claim| claim.number);
            measure(chosen.into_iter(), &cli.output)
        }
        Some(Command::List) => {
            say(show::list(claims()).trim_end());
            Ok(0)
        }
        Some(Command::Show { number }) => explain(named(*number)?, &cli.output),
        Some(Command::Measure { number }) => {
            std::println!(
                "{}",
                serde_json::to_string(&named(*number)?.measure_here())?
            );
            Ok(0)
        }
    }
}

fn named(number: u16) -> Result<&'static Claim, String> {
    find(number).ok_or_else(|| {
        format!(
            "there is no experiment for claim {number}; \
             `cargo course claims list` shows the claims that have one"
        )
    })
}

fn measure(
    chosen: impl ExactSizeIterator<Item = &'static Claim>,
    output: &Output,
) -> Result<u8, Box<dyn Error>> {
    let runner = Runner::new(std::env::current_exe()?);
    let machine = this_machine();
    let mut progress = show::Progress::of(chosen.len());
    let mut entries = Vec::new();
    for claim in chosen {
        progress.at(claim);
        entries.push(runner.run(claim));
    }
    progress.end();
    let ledger = Ledger { machine, entries };
    if let Some(folder) = &output.svg {
        draw(&ledger, folder)?;
    }
    if output.json {
        say(serde_json::to_string_pretty(&ledger)?);
    } else {
        say(show::table(&ledger));
    }
    let code = exit_code(&ledger);
    remember(ledger);
    Ok(code)
}

fn explain(claim: &'static Claim, output: &Output) -> Result<u8, Box<dyn Error>> {
    let entry = Runner::new(std::env::current_exe()?).run(claim);
    let ledger = Ledger {
        machine: this_machine(),
        entries: vec![entry],
    };
    if let Some(folder) = &output.svg {
        draw(&ledger, folder)?;
    }
    if output.json {
        say(serde_json::to_string_pretty(&ledger)?);
    } else {
        say(show::explanation(claim, &ledger));
    }
    let code = exit_code(&ledger);
    remember(ledger);
    Ok(code)
}

/// Keeps the ledger for the book. Without it, nothing but the book's comparison is
/// lost.
fn remember(ledger: Ledger) {
    if let Err(error) = keep(ledger) {
        eprintln!("the book cannot show these figures: they could not be kept ({error})");
    }
}

fn exit_code(ledger: &Ledger) -> u8 {
    if ledger.contradictions().next().is_some() {
        return 1;
    }
    let measured = |entry: &Entry| entry.verdict.says_something();
    if ledger.entries.iter().any(measured) {
        return 0;
    }
    eprintln!(
        "nothing was measured: the reasons above say what this machine would have to allow, or \
         that other programs use its CPUs"
    );
    2
}

/// Prints to standard output, without colors if that is not a terminal. If the
/// reader closes the pipe early (`| head`), that is not an error.
fn say(text: impl Display) {
    _ = writeln!(anstream::stdout().lock(), "{text}");
}

/// Writes a chart for each entry that has figures.
fn draw(ledger: &Ledger, folder: &Path) -> Result<(), String> {
    let failed = |path: &Path, error| {
        format!(
            "cannot write {}: {error}; choose another folder for `--svg`",
            path.display()
        )
    };
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for entry in &ledger.entries {
        if let Some(picture) = show::svg(entry) {
            let path = folder.join(format!("claim-{}.svg", entry.number));
            fs::write(&path, picture).map_err(|error| failed(&path, error))?;
        }
    }
    Ok(())
}
