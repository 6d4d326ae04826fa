//! The program `bookbinder`, which `cargo course book` starts.

mod browser;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::{eprintln, println};
use bookbinder::{Bound, Fault, bind, check, record, record_mine, serve};
use clap::{Parser, Subcommand};
use judging::Course;

/// Read the course's book, in a browser on this machine.
///
/// Without a command, this builds the book, serves it on this machine only, and
/// builds it again when a file changes. It runs until you press Ctrl-C. The exit
/// code is 0 if the book is right, 1 if a rule is broken, and 2 if the book could
/// not be built.
#[derive(Debug, Parser)]
#[command(name = "bookbinder", bin_name = "cargo course book")]
struct Cli {
    #[command(subcommand)]
    command: Option<Word>,
}

/// Where the book is served unless another port is asked for.
const PORT: u16 = 3000;

#[derive(Debug, Subcommand)]
enum Word {
    /// Serve the book on this machine, and build it again when a file changes
    Serve {
        /// The port (0 takes a free one)
        #[arg(long, default_value_t = PORT)]
        port: u16,
        /// Open this page in a browser, such as `processes`
        #[arg(long, value_name = "PAGE")]
        open: Option<String>,
        /// Do not open a browser
        #[arg(long, conflicts_with = "open")]
        no_browser: bool,
    },
    /// Build the book and open one of its pages
    #[command(hide = true)]
    Open {
        /// The page, such as `processes`
        page: String,
    },
    /// Build the book once, into a folder of plain files
    Build {
        /// The folder
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
        /// Leave out what was measured on this machine, to give the book to others
        #[arg(long)]
        without_mine: bool,
    },
    /// Run the programs behind the figures on this machine, so that the book shows your run beside its own
    Mine,
    /// Build the book, and run every recorded command again to compare
    Check,
    /// For authors: run recorded commands and keep what they print (`ledger` measures all claims, `picture` draws the README's picture)
    Record {
        /// The names of the recordings
        #[arg(required = true)]
        names: Vec<String>,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(word: Option<Word>) -> Result<u8, String> {
    let here = std::env::current_dir()
        .map_err(|error| format!("the current folder cannot be read: {error}"))?;
    let course = Course::find(&here).map_err(|trouble| trouble.to_string())?;
    let target = target()?;
    let folder = target.join("book");
    match word {
        None => keep_serving(&course, &folder, &target, PORT, Some("index")),
        Some(Word::Serve {
            port,
            open,
            no_browser,
        }) => {
            let page = open.as_deref().unwrap_or("index");
            keep_serving(
                &course,
                &folder,
                &target,
                port,
                (!no_browser).then_some(page),
            )
        }
        Some(Word::Build { out, without_mine }) => {
            let folder = match out {
                Some(out) => here.join(out),
                None => folder,
            };
            let measured = match without_mine {
                true => folder.join("nothing was measured"),
                false => target,
            };
            let bound = bind(&course, &folder, &measured)?;
            Ok(report(&bound, &bound.faults))
        }
        Some(Word::Open { page }) => {
            bind(&course, &folder, &target)?;
            let file = folder.join(format!("{page}.html"));
            let file = file.display();
            match browser::open(&format!("file://{file}")) {
                true => println!("the chapter is open in your browser ({file})"),
                false => println!("no browser could be started: open {file} yourself"),
            }
            Ok(0)
        }
        Some(Word::Mine) => {
            let failed = record_mine(&course, &target, |line| println!("{line}"))?;
            println!("the next build of the book shows your runs");
            Ok(u8::from(failed > 0))
        }
        Some(Word::Check) => {
            let bound = bind(&course, &folder, &target)?;
            let mut faults = bound.faults.clone();
            faults.extend(check(&course, |line| println!("{line}")));
            for (file, words) in &bound.words {
                println!("{words:6} words  {file}");
            }
            Ok(report(&bound, &faults))
        }
        Some(Word::Record { names }) => {
            for name in names {
                record(&course, &name)?;
                println!("recorded {name}");
            }
            Ok(0)
        }
    }
}

/// Cargo's target folder, in which this program lies.
fn target() -> Result<PathBuf, String> {
    let program = std::env::current_exe()
        .map_err(|error| format!("this program cannot be found: {error}"))?;
    let target = program.parent().and_then(Path::parent);
    target
        .map(Path::to_owned)
        .ok_or_else(|| "this program is not in cargo's target folder".to_owned())
}

fn report(bound: &Bound, faults: &[Fault]) -> u8 {
    for fault in faults {
        eprintln!("{fault}");
    }
    println!(
        "the book is built: open {} ({:.1} MB, built in {} ms)",
        bound.folder.join("index.html").display(),
        bound.size as f64 / 1e6,
        bound.took.as_millis()
    );
    match faults.len() {
        0 => 0,
        1 => {
            eprintln!("1 rule is broken");
            1
        }
        many => {
            eprintln!("{many} rules are broken");
            1
        }
    }
}

fn keep_serving(
    course: &Course,
    folder: &Path,
    target: &Path,
    port: u16,
    page: Option<&str>,
) -> Result<u8, String> {
    let build = || bind(course, folder, target);
    let tell = |bound: &Bound| {
        for fault in &bound.faults {
            eprintln!("{fault}");
        }
    };
    tell(&build()?);
    let watched: Vec<PathBuf> = ["book", "crates", "exercises/course.toml"]
        .iter()
        .map(|path| course.root.join(path))
        .chain(["course/ledger.json", "course/figures"].map(|path| target.join(path)))
        .collect();
    let ready = |address: &str| {
        let url = format!("{address}{}.html", page.unwrap_or("index"));
        println!("the book is at {url}");
        println!("when a file of the book changes, it is built again; Ctrl-C ends this program");
        if page.is_some() && !browser::open(&url) {
            println!(
                "no browser could be started: open the address yourself, or the file {}",
                folder.join("index.html").display()
            );
        }
    };
    serve(folder, port, &watched, ready, || match build() {
        Ok(bound) => {
            tell(&bound);
            println!("built again in {} ms", bound.took.as_millis());
            true
        }
        Err(error) => {
            eprintln!("{error}");
            false
        }
    })?;
    Ok(0)
}
