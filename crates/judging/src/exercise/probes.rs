//! Programs that must not compile: `tests/refused/*.rs` of an exercise.
//!
//! The compiler keeps some of the promises of a contract: for example, that a
//! closure must not borrow from its caller, or that a guard cannot outlive its
//! lock. No test that runs can check them. A probe is a small library that
//! breaks such a promise. The compiler must refuse it, and for the right
//! reason:
//!
//! ```text
//! //! C4: A body must not borrow from its caller.
//! //! Errors: E0597
//!
//! use fiber_generator::Generator;
//!
//! pub fn borrows() -> Generator<u32> {
//!     let local = 1;
//!     let borrowed = &local;
//!     Generator::new(move |yielder| yielder.yield_item(*borrowed)) //~ refused
//! }
//! ```
//!
//! Without the lines that end in `//~ refused`, it must compile with the
//! course's solution. `cargo course verify` checks that, so nothing else in the
//! probe can be the reason.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use processes::{Spec, Stdio};
use proctor::{Outcome, Record};
use serde::Deserialize;

use crate::exercise::originals::Files;
use crate::run::record;
use crate::trouble::Trouble;

const FOLDER: &str = "tests/refused/";
const LIFETIME: &str = "lifetime";
const MARK: &str = "//~ refused";

/// How long the compiler may work on a probe, which has only a few lines.
const PATIENCE: Duration = Duration::from_secs(20);

/// One program that must not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The file's name without `.rs`. Verdicts show it as the name of a test.
    pub name: String,
    /// The clauses of the contract that it checks.
    pub clauses: Vec<u32>,
    /// What the contract says, for the learner.
    why: String,
    /// The errors that are the right reason, such as `E0597`. `lifetime` stands
    /// for "lifetime may not live long enough", which has no number.
    errors: Vec<String>,
    text: String,
}

/// The probes among an exercise's files, sorted by name.
///
/// # Errors
/// A probe is malformed. The error names the file and says how.
pub fn probes(given: &Files) -> Result<Vec<Probe>, String> {
    let files = given.iter().filter_map(|(path, text)| {
        let name = path.strip_prefix(FOLDER)?.strip_suffix(".rs")?;
        Some((path, name, text))
    });
    files
        .map(|(path, name, text)| Probe::parse(name, text).map_err(|why| format!("{path}: {why}")))
        .collect()
}

impl Probe {
    fn parse(name: &str, text: &str) -> Result<Probe, String> {
        let mut header = text.lines().map_while(|line| line.strip_prefix("//! "));
        let first = header.next().unwrap_or_default();
        let (clauses, why) = first
            .split_once(':')
            .ok_or("its first line is not `//! C4: what the contract says`")?;
        let clauses = clauses
            .split(',')
            .map(|clause| clause.trim().strip_prefix('C')?.parse().ok())
            .collect::<Option<Vec<u32>>>()
            .ok_or_else(|| format!("`{clauses}` names no clauses (such as C4, C7)"))?;
        let errors: Vec<String> = header
            .find_map(|line| line.strip_prefix("Errors:"))
            .unwrap_or_default()
            .split(',')
            .map(|error| error.trim().to_owned())
            .filter(|error| error.starts_with('E') || error == LIFETIME)
            .collect();
        if errors.is_empty() {
            return Err("its header names no errors, as in `//! Errors: E0597`".into());
        }
        if !text.lines().any(|line| line.trim_end().ends_with(MARK)) {
            return Err(format!("no line ends with `{MARK}`"));
        }
        Ok(Probe {
            name: name.to_owned(),
            clauses,
            why: why.trim().to_owned(),
            errors,
            text: text.to_owned(),
        })
    }

    /// The same program without the lines that must be refused.
    pub fn control(&self) -> Probe {
        let kept = |line: &&str| !line.trim_end().ends_with(MARK);
        let lines: Vec<_> = self.text.lines().filter(kept).collect();
        Probe {
            text: lines.join("\n"),
            ..self.clone()
        }
    }

    /// Compiles it, with the given library as the exercise's crate, and returns
    /// the compiler's errors.
    ///
    /// # Errors
    /// The compiler cannot be started, does not end in time, or fails without a
    /// message that can be read.
    pub fn errors_with(&self, library: &Library) -> Result<Vec<Message>, Trouble> {
        let folder = tempfile::tempdir().map_err(Trouble::writing(&std::env::temp_dir()))?;
        let source = folder.path().join(format!("{}.rs", self.name));
        let said = folder.path().join("said");
        fs::write(&source, &self.text).map_err(Trouble::writing(&source))?;
        let stderr = fs::File::create(&said).map_err(Trouble::writing(&said))?;
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let cannot = |error: &dyn std::fmt::Display| Trouble::Run {
            program: PathBuf::from(&rustc),
            error: error.to_string(),
        };
        let mut external = std::ffi::OsString::from(format!("{}=", library.name));
        external.push(&library.file);
        let mut dependencies = std::ffi::OsString::from("dependency=");
        dependencies.push(&library.dependencies);
        let spec = Spec::new(&rustc)
            .args([
                "--crate-name=probe",
                "--crate-type=lib",
                "--edition=2024",
                "--emit=metadata",
                "--error-format=json",
                "--cap-lints=allow",
            ])
            .arg("-L")
            .arg(dependencies)
            .arg("--extern")
            .arg(external)
            .arg("-o")
            .arg(folder.path().join("libprobe.rmeta"))
            .arg(&source)
            .stdin(Stdio::Null)
            .stdout(Stdio::Null)
            .stderr(Stdio::Fd(stderr.into()))
            .die_with_parent(Signal::SIGKILL);
        let mut child = spec.spawn().map_err(|error| cannot(&error))?;
        let ended = child.wait_timeout(PATIENCE);
        let Ok(Some(ending)) = ended else {
            let _ = child.kill_tree();
            return Err(cannot(&format!(
                "the compiler did not end within {} s",
                PATIENCE.as_secs()
            )));
        };
        let mut text = String::new();
        let _ = fs::File::open(&said).and_then(|file| {
            // This is more than enough for messages about a few lines.
            file.take(4 << 20).read_to_string(&mut text)
        });
        let messages: Vec<Message> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .filter(|message: &Message| message.level == "error" && message.is_particular())
            .collect();
        let is_compiled = ending == processes::Ending::Exited(0);
        if !is_compiled && messages.is_empty() {
            let last = text.lines().last().unwrap_or("nothing").to_owned();
            return Err(cannot(&format!("the compiler said: {last}")));
        }
        Ok(messages)
    }

    /// The verdict on a library.
    pub fn verdict(&self, library: &Library) -> Record {
        let started = Instant::now();
        let (outcome, cause) = match self.errors_with(library) {
            Err(trouble) => (Outcome::NotJudged, trouble.to_string()),
            Ok(errors) if errors.is_empty() => (
                Outcome::Fail,
                format!(
                    "a program that must not compile does compile with your code: {}",
                    self.told()
                ),
            ),
            Ok(errors) => match errors.iter().find(|error| !self.is_due(error)) {
                None => (Outcome::Pass, String::new()),
                Some(error) => (
                    Outcome::Fail,
                    format!(
                        "the compiler refuses a program that must not compile, but for another reason: {}\n{}",
                        error.headline(),
                        self.told()
                    ),
                ),
            },
        };
        Record {
            millis: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            ..record(&self.name, outcome, cause)
        }
    }

    fn is_due(&self, error: &Message) -> bool {
        let is_of_lifetimes = error.message.contains("lifetime may not live long enough");
        let name = match &error.code {
            Some(code) => code.code.as_str(),
            None if is_of_lifetimes => LIFETIME,
            None => return false,
        };
        self.errors.iter().any(|due| due == name)
    }

    /// What the contract says, and the lines that break it.
    fn told(&self) -> String {
        let lines = self.text.lines();
        let refused: Vec<_> = lines
            .filter_map(|line| line.trim_end().strip_suffix(MARK))
            .map(|line| format!("    {}", line.trim()))
            .collect();
        format!("{}\n{}", self.why, refused.join("\n"))
    }
}

/// A library with which probes are compiled.
#[derive(Clone, Debug)]
pub struct Library {
    /// The name of the exercise's crate, as probes use it.
    pub name: String,
    /// Its metadata, or the library itself.
    pub file: PathBuf,
    /// The folder of the libraries that it depends on.
    pub dependencies: PathBuf,
}

impl Library {
    /// The library of an exercise, among the files that cargo made of a package.
    pub fn of(exercise: &str, files: &[PathBuf]) -> Option<Library> {
        let with = |extension: &str| {
            files
                .iter()
                .find(|file| file.extension().is_some_and(|is| is == extension))
        };
        let file = with("rmeta").or_else(|| with("rlib"))?.clone();
        Some(Library {
            name: exercise.replace('-', "_"),
            dependencies: file.parent()?.to_owned(),
            file,
        })
    }

    /// Copies the library to a folder in which no other build overwrites it.
    ///
    /// # Errors
    /// It cannot be copied.
    pub fn kept_in(self, folder: &Path) -> Result<Library, Trouble> {
        let copy = folder.join(self.file.file_name().unwrap_or_default());
        fs::copy(&self.file, &copy).map_err(Trouble::writing(&copy))?;
        Ok(Library { file: copy, ..self })
    }
}

/// One message of the compiler.
#[derive(Debug, Deserialize)]
pub struct Message {
    level: String,
    message: String,
    code: Option<Code>,
}

#[derive(Debug, Deserialize)]
struct Code {
    code: String,
}

impl Message {
    /// Whether this is an error of its own, and not only the count of the others.
    fn is_particular(&self) -> bool {
        self.code.is_some() || !self.message.starts_with("aborting due to")
    }

    /// `error[E0597]: …`
    pub fn headline(&self) -> String {
        match &self.code {
            Some(code) => format!("error[{}]: {}", code.code, self.message),
            None => format!("error: {}", self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "//! C4, C7: A guard does not outlive its lock.\n//! Errors: E0597, E0505\n\n\
        pub fn f() {\n    g(); //~ refused\n}\n";

    #[test]
    fn a_probe_says_what_it_looks_at() {
        let probe = Probe::parse("guards", TEXT).unwrap();
        assert_eq!(probe.clauses, [4, 7]);
        assert_eq!(probe.errors, ["E0597", "E0505"]);
        assert!(
            probe.told().ends_with("its lock.\n    g();"),
            "{}",
            probe.told()
        );
        assert!(!probe.control().text.contains("g();"));
    }

    #[test]
    fn what_a_probe_lacks_is_named() {
        let why = |from: &str, to: &str| Probe::parse("p", &TEXT.replace(from, to)).unwrap_err();
        assert!(why("C4, C7", "Four").contains("names no clauses"));
        assert!(why("Errors", "Error").contains("names no errors"));
        assert!(why(" //~ refused", "").contains("no line ends"));
    }

    /// A library with one function `g`, as the compiler makes it.
    fn library(folder: &Path, text: &str) -> Library {
        let source = folder.join("lib.rs");
        fs::write(&source, text).unwrap();
        let file = folder.join("libmine.rmeta");
        let made = std::process::Command::new("rustc")
            .args([
                "--crate-type=lib",
                "--crate-name=mine",
                "--emit=metadata",
                "-o",
            ])
            .args([&file, &source])
            .status();
        assert!(made.unwrap().success());
        Library {
            name: "mine".into(),
            file,
            dependencies: folder.to_owned(),
        }
    }

    #[test]
    fn the_compiler_decides_and_gives_its_reason() {
        let text = "//! C1: `g` takes what lives for ever.\n//! Errors: E0597\n\npub fn f() {\n    \
            let local = 1;\n    let borrowed = &local;\n    mine::g(borrowed); //~ refused\n}\n";
        let probe = Probe::parse("borrows", text).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let judged = |text: &str| {
            let record = probe.verdict(&library(folder.path(), text));
            (record.outcome, record.cause)
        };
        let right = "pub fn g(_: &'static i32) {}";
        assert_eq!(judged(right), (Outcome::Pass, String::new()));
        let control = probe.control();
        let errors = control.errors_with(&library(folder.path(), right));
        assert!(errors.unwrap().is_empty());
        let (outcome, cause) = judged("pub fn g(_: &i32) {}");
        assert_eq!(outcome, Outcome::Fail);
        assert!(
            cause.contains("does compile") && cause.contains("mine::g(borrowed);"),
            "{cause}"
        );
        let (outcome, cause) = judged("pub fn h() {}");
        assert_eq!(outcome, Outcome::Fail);
        assert!(cause.contains("another reason: error[E0425]"), "{cause}");
    }
}
