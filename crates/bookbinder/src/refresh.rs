//! Runs recorded commands again: to compare, or to record anew.

use std::fs;
use std::path::Path;
use std::process::Command;

use judging::Course;
use records::ledger::Ledger;

use crate::bind::recordings;
use crate::directive::Books;
use crate::fault::Fault;
use crate::figure;
use crate::recording::Recording;

/// The name under which the ledger of claims is recorded.
const LEDGER: &str = "ledger";

/// The name under which the README's picture is drawn anew.
const PICTURE: &str = "picture";
/// The README's picture, which is the figure of this recording.
const PICTURE_FILE: &str = "book/picture.svg";
const PICTURED: &str = "sync-figure";

fn picture(root: &Path) -> Result<String, String> {
    let recording = Recording::read(&root.join("book/records"), PICTURED)?;
    figure::alone(PICTURED, &recording.output)
}

/// Notes if the README's picture is not the figure of its recording. A book
/// without a README's picture needs none.
pub(crate) fn check_picture(root: &Path, faults: &mut Vec<Fault>) {
    let Ok(kept) = fs::read_to_string(root.join(PICTURE_FILE)) else {
        return;
    };
    let what = match picture(root) {
        Ok(fresh) if fresh == kept => return,
        Ok(_) => format!(
            "the recording {PICTURED} or its drawing has changed: `cargo course book record {PICTURE}` draws it anew"
        ),
        Err(why) => why,
    };
    faults.push(Fault::new(PICTURE_FILE, 0, what));
}

/// How often a command runs before its recording counts as out of date.
const RUNS: usize = 3;

/// Runs all recorded commands, and notes each that no longer prints what is
/// recorded. A measured number can be off once on a busy machine, so a recording
/// holds if one of three runs prints it. `tell` gets one line for each recording
/// before it runs, and one for each run that differs from a later one.
pub fn check(course: &Course, mut tell: impl FnMut(&str)) -> Vec<Fault> {
    let mut faults = Vec::new();
    for name in recordings(&course.root) {
        tell(&format!("running again: {name}"));
        let why = match Recording::read(&course.root.join("book/records"), &name) {
            Ok(recording) => match reproduced(&recording, &course.root) {
                Ok(None) => continue,
                Ok(Some(once)) => {
                    tell(&format!("  one run differed, a later one did not: {once}"));
                    continue;
                }
                Err(why) => format!(
                    "{why}. `cargo course book record {name}` records it anew; \
                     if this part varies from run to run, add a line `varies: REGEX`"
                ),
            },
            Err(why) => why,
        };
        faults.push(Fault::new(format!("book/records/{name}.txt"), 0, why));
    }
    tell(&format!("running again: {LEDGER}"));
    if let Err(why) = sentences_agree(course) {
        faults.push(Fault::new("book/records/ledger.json", 0, why));
    }
    faults
}

/// Runs the command until it prints what is recorded. The text says how an
/// earlier run differed.
fn reproduced(recording: &Recording, root: &Path) -> Result<Option<String>, String> {
    let mut differed = None;
    for _ in 0..RUNS {
        match recording.run(root) {
            Ok(fresh) => match recording.difference(&fresh) {
                None => return Ok(differed),
                Some(difference) => {
                    differed = Some(format!(
                        "the command prints something else now: {difference}"
                    ));
                }
            },
            Err(why) => differed = Some(why),
        }
    }
    Err(differed.expect("every run differed"))
}

/// The book's ledger has the claims of the program, with the same sentences. Its
/// figures are of the book's machine and are not measured again.
fn sentences_agree(course: &Course) -> Result<(), String> {
    let printed = claims(course, &["list"])?;
    let printed: Vec<&str> = printed.split_whitespace().collect();
    let recorded = Books::read(&course.root)?;
    let recorded: Vec<String> = recorded
        .sentences()
        .flat_map(|(number, says)| {
            format!("{number} {says}")
                .split(' ')
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    match printed.iter().eq(recorded.iter()) {
        true => Ok(()),
        false => Err("the claims or their sentences have changed: `cargo course book record ledger` measures them again".to_owned()),
    }
}

fn claims(course: &Course, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("cargo");
    command
        .args(["run", "--quiet", "--package", "claims", "--"])
        .args(arguments);
    let output = command
        .current_dir(&course.root)
        .output()
        .map_err(|error| format!("the program `claims` cannot be started: {error}"))?;
    match output.status.code() {
        // 1: a verdict contradicts the course, which the book shows, too.
        Some(0 | 1) => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        _ => Err(format!(
            "the program `claims` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        )),
    }
}

/// Runs the command of a recording three times, and keeps what the last run
/// prints. For the name `ledger`, measures all claims.
///
/// # Errors
/// There is no such recording, its command fails, two runs differ in a part that
/// is not said to vary, or the file cannot be written.
pub fn record(course: &Course, name: &str) -> Result<(), String> {
    if name == LEDGER {
        let printed = claims(course, &["--json"])?;
        let mut ledger: Ledger = serde_json::from_str(&printed)
            .map_err(|error| format!("`claims --json` printed no ledger: {error}"))?;
        // The rest of a release names who built the kernel.
        if let Some(kernel) = &mut ledger.machine.kernel {
            kernel.truncate(kernel.find('-').unwrap_or(kernel.len()));
        }
        for entry in &mut ledger.entries {
            for figure in &mut entry.notes.figures {
                // The charts need only the interval, and the samples are long.
                figure.samples.clear();
            }
        }
        let path = course.root.join(crate::directive::LEDGER);
        let text = serde_json::to_string_pretty(&ledger).map_err(|error| error.to_string())?;
        return fs::write(&path, text + "\n")
            .map_err(|error| format!("{} cannot be written: {error}", path.display()));
    }
    if name == PICTURE {
        let path = course.root.join(PICTURE_FILE);
        return fs::write(&path, picture(&course.root)?)
            .map_err(|error| format!("{PICTURE_FILE} cannot be written: {error}"));
    }
    let recording = Recording::read(&course.root.join("book/records"), name)?;
    let mut latest = Recording {
        output: recording.run(&course.root)?,
        ..recording.clone()
    };
    for _ in 1..RUNS {
        let fresh = recording.run(&course.root)?;
        if let Some(difference) = latest.difference(&fresh) {
            return Err(format!(
                "two runs of `{}` differ ({difference}), and nothing is recorded: add a line \
                 `varies: REGEX` to book/records/{name}.txt for what varies from run to run",
                recording.command
            ));
        }
        latest.output = fresh;
    }
    latest.keep(&latest.output).map_err(|error| {
        format!(
            "{} cannot be written: {error}",
            short(&recording.path, &course.root)
        )
    })
}

fn short(path: &Path, root: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}
