//! Compares judging an answer with running the same tests without a judge: what an edit costs, and
//! what the tests cost if nothing was edited.
//!
//! All of them are commands, as one types them, and they compile the same source and the same
//! tests. `cargo test` and `cargo nextest` run them in programs that nobody watches; for an explored
//! exercise, only the judge tests the real build, too.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use context_switch::sampling::Comparison;

/// Each round takes seconds.
const ROUNDS: usize = 7;

fn main() {
    peers::run_here(
        &[
            ("judge, an edit of fork-and-wait", || {
                after_an_edit("processes", "fork-and-wait")
            }),
            ("judge, fork-and-wait without an edit", || {
                without_an_edit("processes", "fork-and-wait")
            }),
            ("judge, an edit of spin-lock", || {
                after_an_edit("sync", "spin-lock")
            }),
            ("judge, spin-lock without an edit", || {
                without_an_edit("sync", "spin-lock")
            }),
        ],
        Duration::from_secs(1),
    );
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the benches are in the course")
}

/// An exercise with its solution, as a learner's file and as a package.
struct Subject {
    name: &'static str,
    solution: PathBuf,
    /// A copy of the solution, which can be edited.
    answer: PathBuf,
}

impl Subject {
    fn new(topic: &str, name: &'static str) -> Self {
        let solution = root().join(format!("solutions/{topic}/{name}/src/lib.rs"));
        let answer = std::env::temp_dir().join(format!("{name}-{}.rs", std::process::id()));
        fs::copy(&solution, &answer).expect("the solution can be copied");
        Subject {
            name,
            solution,
            answer,
        }
    }

    /// Makes the answer a file that no one has judged before.
    fn edit_answer(&self) {
        static EDITS: AtomicU64 = AtomicU64::new(0);
        let text = fs::read_to_string(&self.solution).expect("the solution can be read");
        let edit = EDITS.fetch_add(1, Ordering::Relaxed);
        let text = format!("{text}\n// Edit {edit} of {:?}\n", SystemTime::now());
        fs::write(&self.answer, text).expect("the answer can be written");
    }

    /// Makes cargo compile the solution again.
    fn touch_solution(&self) {
        let file = File::options().append(true).open(&self.solution);
        file.and_then(|file| file.set_modified(SystemTime::now()))
            .expect("the solution can be touched");
    }

    fn check(&self) {
        let answer = self.answer.to_string_lossy();
        cargo(&["course", "check", self.name, "--source", &answer]);
    }

    fn test(&self, command: &[&str]) {
        let package = format!("{}-solution", self.name);
        let rest = ["--package", &package, "--test", self.name];
        cargo(&[command, &rest].concat());
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.answer);
    }
}

/// Whether the command `cargo` knows this subcommand.
fn cargo_has(subcommand: &str) -> bool {
    let mut command = Command::new("cargo");
    let output = command.args([subcommand, "--version"]).output();
    output.is_ok_and(|output| output.status.success())
}

fn cargo(arguments: &[&str]) {
    let output = Command::new("cargo")
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .expect("cargo can be started");
    assert!(
        output.status.success(),
        "cargo {arguments:?} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

const TEST: &[&str] = &["test", "--quiet"];
const NEXTEST: &[&str] = &["nextest", "run", "--cargo-quiet", "--status-level=none"];

fn after_an_edit(topic: &str, name: &'static str) -> Comparison<'static> {
    compared(topic, name, true)
}

fn without_an_edit(topic: &str, name: &'static str) -> Comparison<'static> {
    compared(topic, name, false)
}

fn compared(topic: &str, name: &'static str, edited: bool) -> Comparison<'static> {
    let ours = Subject::new(topic, name);
    let check = move || {
        if edited {
            ours.edit_answer();
        }
        ours.check();
    };
    let tests = |command: &'static [&'static str]| {
        let theirs = Subject::new(topic, name);
        move || {
            if edited {
                theirs.touch_solution();
            }
            theirs.test(command);
        }
    };
    let comparison = Comparison::of("check", check)
        .rounds(ROUNDS)
        .against("cargo test", tests(TEST));
    match cargo_has("nextest") {
        true => comparison.against("cargo nextest", tests(NEXTEST)),
        false => comparison,
    }
}
