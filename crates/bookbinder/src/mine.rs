//! The reader's own runs of the programs behind the figures, which `cargo course book mine` keeps.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use judging::Course;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::figure;
use crate::own::processor;
use crate::recording::Recording;

/// The format that this version of the course writes and reads.
const FORMAT: u32 = 1;
/// A trace of more bytes is none of ours.
const MOST_BYTES: u64 = 1_000_000;

/// A run of a figure's program on the reader's machine.
#[derive(Debug, Serialize, Deserialize)]
struct Mine {
    format: u32,
    processor: Option<String>,
    architecture: String,
    command: String,
    /// What the program printed.
    output: String,
}

/// The folder with the reader's runs, below cargo's target folder.
fn folder(target: &Path) -> PathBuf {
    target.join("course/figures")
}

/// What there is to show beside a figure of the book.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    Nothing,
    /// The trace of a run.
    Run(String),
    /// There is a file that cannot be used, and why.
    Unusable(String),
}

/// Reads the reader's run of this recording.
pub(crate) fn read(target: &Path, name: &str, recording: &Recording) -> Beside {
    const AGAIN: &str = "`cargo course book mine` runs the programs again.";
    let path = folder(target).join(format!("{name}.json"));
    let size = match fs::metadata(&path) {
        Ok(about) => about.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Beside::Nothing,
        Err(_) => 0,
    };
    if size > MOST_BYTES {
        return Beside::Unusable(format!("The file with your run is too large. {AGAIN}"));
    }
    let text = fs::read_to_string(&path).unwrap_or_default();
    let Ok(mine) = serde_json::from_str::<Mine>(&text) else {
        return Beside::Unusable(format!("The file with your run is damaged. {AGAIN}"));
    };
    if mine.format != FORMAT || mine.command != recording.command {
        return Beside::Unusable(format!(
            "Your run was recorded by another version of the course. {AGAIN}"
        ));
    }
    if mine.processor != processor() || mine.architecture != std::env::consts::ARCH {
        return Beside::Unusable(format!("Your run was recorded on another machine. {AGAIN}"));
    }
    match figure::draw(name, &mine.output, &mine.command) {
        Ok(_) => Beside::Run(mine.output),
        Err(_) => Beside::Unusable(format!("The trace of your run is damaged. {AGAIN}")),
    }
}

/// Runs the program of each figure that is not the same on every machine, and keeps its trace below
/// `target`. `tell` gets a line for each. Returns how many could not be recorded.
///
/// # Errors
/// A recording or the folder cannot be read, or a trace cannot be written.
pub fn record_mine(
    course: &Course,
    target: &Path,
    mut tell: impl FnMut(&str),
) -> Result<usize, String> {
    let folder = folder(target);
    let cannot = |error: std::io::Error| format!("{} cannot be written: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(cannot)?;
    let mut failed = 0;
    for name in figures(course)? {
        let recording = Recording::read(&course.root.join("book/records"), &name)?;
        if recording.varies.is_empty() {
            continue;
        }
        let run = recording.run(&course.root).and_then(|output| {
            let output = output.trim_end().to_owned();
            figure::draw(&name, &output, &recording.command).map(|_| output)
        });
        match run {
            Ok(output) => {
                let mine = Mine {
                    format: FORMAT,
                    processor: processor(),
                    architecture: std::env::consts::ARCH.to_owned(),
                    command: recording.command.clone(),
                    output,
                };
                let text = serde_json::to_vec(&mine).map_err(|error| error.to_string())?;
                let partial = folder.join("partial");
                fs::write(&partial, text).map_err(cannot)?;
                fs::rename(&partial, folder.join(format!("{name}.json"))).map_err(cannot)?;
                tell(&format!("recorded {name}"));
            }
            Err(why) => {
                failed += 1;
                tell(&format!("{name} was not recorded: {why}"));
            }
        }
    }
    Ok(failed)
}

/// The figures of the book.
fn figures(course: &Course) -> Result<Vec<String>, String> {
    let figure = Regex::new(r"\{\{#figure ([a-z0-9-]+)\}\}").expect("a constant");
    let source = course.root.join("book/src");
    let cannot = |error: std::io::Error| format!("{} cannot be read: {error}", source.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&source).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let text = fs::read_to_string(&path).map_err(cannot)?;
            names.extend(figure.captures_iter(&text).map(|found| found[1].to_owned()));
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = r#"{"kind":"bars","unit":"ms","bars":[{"name":"one","value":1.0},{"name":"two","value":2.0}]}"#;

    fn beside(change: impl Fn(&mut Mine), cut: usize) -> Beside {
        let target = tempfile::tempdir().unwrap();
        let recording = Recording {
            path: PathBuf::new(),
            command: "the command".to_owned(),
            varies: Vec::new(),
            exit: 0,
            output: TRACE.to_owned(),
        };
        let mut mine = Mine {
            format: FORMAT,
            processor: processor(),
            architecture: std::env::consts::ARCH.to_owned(),
            command: recording.command.clone(),
            output: TRACE.to_owned(),
        };
        change(&mut mine);
        fs::create_dir_all(folder(target.path())).unwrap();
        let text = serde_json::to_string(&mine).unwrap();
        let file = folder(target.path()).join("x.json");
        fs::write(file, &text[..text.len() - cut]).unwrap();
        read(target.path(), "x", &recording)
    }

    fn refused(beside: &Beside, part: &str) {
        let Beside::Unusable(why) = beside else {
            panic!("{beside:?}");
        };
        assert!(why.contains(part), "{why}");
    }

    #[test]
    fn only_a_whole_run_of_this_machine_and_version_is_shown() {
        let run = beside(|_| {}, 0);
        assert!(
            matches!(&run, Beside::Run(output) if output == TRACE),
            "{run:?}"
        );
        refused(&beside(|_| {}, 3), "damaged");
        refused(&beside(|mine| mine.format += 1, 0), "another version");
        refused(
            &beside(|mine| "other".clone_into(&mut mine.command), 0),
            "another version",
        );
        refused(
            &beside(|mine| mine.processor = Some("6502".to_owned()), 0),
            "another machine",
        );
        refused(&beside(|mine| mine.output = "{}".to_owned(), 0), "damaged");
        refused(
            &beside(|mine| mine.output = " ".repeat(2_000_000), 0),
            "too large",
        );
    }

    #[test]
    fn no_file_is_nothing() {
        let target = tempfile::tempdir().unwrap();
        let recording = Recording {
            path: PathBuf::new(),
            command: String::new(),
            varies: Vec::new(),
            exit: 0,
            output: String::new(),
        };
        assert_eq!(read(target.path(), "x", &recording), Beside::Nothing);
    }
}
