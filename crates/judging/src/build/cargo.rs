//! One call of cargo: which test programs it made, and what the compiler said.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use processes::{Spec, Stdio};
use serde::Deserialize;

use crate::build::allowance::{Allowance, Exceeded};
use crate::trouble::Trouble;

/// How long a build may take before it shows on the terminal what it is doing.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What to build, and where.
#[derive(Debug, Default)]
pub struct Request<'a> {
    /// The root of the workspace.
    pub folder: PathBuf,
    /// The target folder, if cargo is not to choose it itself.
    pub target: Option<PathBuf>,
    /// The packages to build.
    pub packages: Vec<&'a str>,
    /// The names of their `[[test]]`s.
    pub tests: Vec<&'a str>,
    /// The names of their `[[example]]`s.
    pub examples: Vec<&'a str>,
    /// The names of their programs.
    pub binaries: Vec<&'a str>,
    /// Whether the compiler may color its messages.
    pub colour: bool,
    /// Receives each line that cargo itself prints.
    pub tell: Option<fn(&str)>,
    /// What the compiler may use. It is set for sources that nobody has checked.
    pub allowance: Option<Allowance>,
}

/// The result of a build.
#[derive(Debug, Default)]
pub struct Built {
    /// Each test program, or other program, with its package's manifest.
    pub programs: Vec<(PathBuf, PathBuf)>,
    /// The files of each library, with its package's manifest.
    pub libraries: Vec<(PathBuf, Vec<PathBuf>)>,
    /// The compiler's messages, in the order in which it printed them.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether everything was built.
    pub complete: bool,
    /// The last lines that cargo itself printed.
    pub said: String,
    /// The limit that ended the build, if one did.
    pub exceeded: Option<Exceeded>,
}

/// One message of the compiler.
#[derive(Debug)]
pub struct Diagnostic {
    /// The manifest of the package.
    pub manifest: PathBuf,
    /// Whether the message is about a library. If not, it is about the tests of one.
    pub library: bool,
    /// `error`, `warning`, ….
    pub level: String,
    /// The first line: what is wrong.
    pub message: String,
    /// The error's number, such as `E0308`.
    pub code: Option<String>,
    /// The file, by the name that the compiler was given, and the line. `None`
    /// if the message names no place.
    pub place: Option<(String, u32)>,
    /// The whole message as the compiler would print it.
    pub rendered: String,
}

impl Diagnostic {
    /// Whether this is an error, so that the package was not built.
    pub fn is_error(&self) -> bool {
        self.level.starts_with("error")
    }

    /// `error[E0308]: mismatched types`
    pub fn headline(&self) -> String {
        match &self.code {
            Some(code) => format!("{}[{code}]: {}", self.level, self.message),
            None => format!("{}: {}", self.level, self.message),
        }
    }
}

/// Builds the named tests of the named packages. If one package does not
/// compile, cargo still builds the others.
///
/// With an [`Allowance`], the kernel limits every process of the build. If the
/// build takes too long or prints too much, cargo and everything below it is
/// killed.
///
/// # Errors
/// Cargo cannot be started, or its answer cannot be read.
pub fn build(request: &Request) -> Result<Built, Trouble> {
    let failed =
        |error: &dyn std::fmt::Display| Trouble::NoCargo(io::Error::other(error.to_string()));
    let mut child = spec(request).spawn().map_err(|error| failed(&error))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed(&"its output cannot be read"));
    };
    let tell = request.tell;
    let too_much = AtomicBool::new(false);
    let blocked = AtomicBool::new(false);
    let cap = request.allowance.map_or(u64::MAX, |allowed| allowed.output);
    std::thread::scope(|scope| {
        let said = scope.spawn(|| listen(Capped::new(stderr, cap, &too_much), tell, &blocked));
        let built = scope.spawn(|| collect(Capped::new(stdout, cap, &too_much)));
        let mut until = request
            .allowance
            .and_then(|allowed| Instant::now().checked_add(allowed.wall));
        let mut exceeded = None;
        let ending = loop {
            let slice = Duration::from_millis(100);
            if let Some(ending) = child.wait_timeout(slice).map_err(Trouble::NoCargo)? {
                break ending;
            }
            if blocked.load(Ordering::Relaxed) {
                // Another cargo holds the lock. The source is not to blame for that time.
                until = until.map(|until| until + slice);
            }
            if exceeded.is_none() {
                exceeded = match until {
                    _ if too_much.load(Ordering::Relaxed) => Some(Exceeded::Output),
                    Some(until) if Instant::now() >= until => Some(Exceeded::Wall),
                    _ => None,
                };
                if exceeded.is_some() {
                    // This ends compilers and linkers too, which hold the pipes open.
                    child.kill_tree().map_err(Trouble::NoCargo)?;
                }
            }
        };
        let mut built: Built = built.join().unwrap_or_else(|_| Ok(Built::default()))?;
        built.complete = ending.success();
        built.said = said.join().unwrap_or_default();
        built.exceeded = exceeded.or_else(|| Exceeded::in_words(&built.said));
        Ok(built)
    })
}

/// A stream of which only an allowed number of bytes is read. After that it
/// reports its end, and a process that still writes to it meets a closed pipe.
struct Capped<'a, R> {
    stream: R,
    left: u64,
    too_much: &'a AtomicBool,
}

impl<'a, R> Capped<'a, R> {
    fn new(stream: R, cap: u64, too_much: &'a AtomicBool) -> Self {
        Capped {
            stream,
            left: cap,
            too_much,
        }
    }
}

impl<R: Read> Read for Capped<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => {
                self.too_much.store(true, Ordering::Relaxed);
                return Ok(0);
            }
        }
        Ok(count)
    }
}

/// Reads what the compiler prints: one JSON message per line.
fn collect(stdout: impl Read) -> Result<Built, Trouble> {
    let mut built = Built::default();
    for line in BufReader::new(stdout).lines() {
        let line = line.map_err(Trouble::NoCargo)?;
        if let Ok(message) = serde_json::from_str::<Message>(&line) {
            built.take(message);
        }
    }
    Ok(built)
}

/// The command line. It is `cargo build` and not `cargo test`, because `build`
/// can go on after an error in another package; both make the same programs.
fn spec(request: &Request) -> Spec {
    let mut spec = Spec::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(&request.folder)
        .args(["build", "--keep-going"])
        .arg(if request.colour {
            "--message-format=json-diagnostic-rendered-ansi"
        } else {
            "--message-format=json"
        })
        .stdin(Stdio::Null)
        .stdout(Stdio::Piped)
        .stderr(Stdio::Piped)
        .die_with_parent(processes::Signal::SIGKILL);
    for package in &request.packages {
        spec = spec.args(["--package", package]);
    }
    for test in &request.tests {
        spec = spec.args(["--test", test]);
    }
    for example in &request.examples {
        spec = spec.args(["--example", example]);
    }
    for binary in &request.binaries {
        spec = spec.args(["--bin", binary]);
    }
    if let Some(target) = &request.target {
        spec = spec.env("CARGO_TARGET_DIR", target);
    }
    if let Some(allowance) = &request.allowance {
        spec = spec.limits(allowance.limits());
    }
    for name in names_of_our_own_package() {
        spec = spec.env_remove(name);
    }
    spec
}

/// The environment variables by which `cargo run` tells this program which
/// package it is. A cargo or a test that this program starts must not take them
/// for its own.
pub fn names_of_our_own_package() -> Vec<String> {
    std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| {
            name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || matches!(
                    name.as_str(),
                    "CARGO_CRATE_NAME" | "CARGO_BIN_NAME" | "CARGO_PRIMARY_PACKAGE"
                )
        })
        .collect()
}

/// Keeps the last lines that cargo prints. On a terminal, a build that takes
/// longer than [`PATIENCE`] shows on one line what it is doing.
fn listen(stream: impl Read, tell: Option<fn(&str)>, blocked: &AtomicBool) -> String {
    let started = Instant::now();
    let mut terminal = io::stderr();
    let shown = terminal.is_terminal();
    let mut drawn = false;
    let mut last: VecDeque<String> = VecDeque::new();
    for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let waits = line
            .trim_start()
            .starts_with("Blocking waiting for file lock");
        blocked.store(waits, Ordering::Relaxed);
        if waits && !shown && tell.is_none() {
            crate::terminal::complain(match line.contains("package cache") {
                true => "another cargo uses cargo's cache of packages: waiting for it",
                false => "another cargo is building here: waiting for it",
            });
        }
        if let Some(tell) = tell {
            tell(line.trim());
        }
        if shown && started.elapsed() > PATIENCE {
            let words: String = line.trim().chars().take(60).collect();
            drawn = write!(terminal, "\r\x1b[K  building: {words}").is_ok();
            let _ = terminal.flush();
        }
        last.push_back(line);
        if last.len() > 40 {
            last.pop_front();
        }
    }
    if drawn {
        let _ = write!(terminal, "\r\x1b[K");
    }
    Vec::from(last).join("\n")
}

impl Built {
    fn take(&mut self, message: Message) {
        match message {
            Message::Artifact {
                manifest_path,
                target,
                executable: Some(executable),
                ..
            } if ["test", "bin", "example"]
                .iter()
                .any(|kind| target.kind == [*kind]) =>
            {
                self.programs.push((manifest_path, executable));
            }
            Message::Artifact {
                manifest_path,
                target,
                filenames,
                ..
            } if target.kind == ["lib"] => {
                self.libraries.push((manifest_path, filenames));
            }
            Message::Said {
                manifest_path,
                target,
                message,
            } => {
                let place = message
                    .spans
                    .iter()
                    .find(|span| span.is_primary)
                    .map(|span| (span.file_name.clone(), span.line_start));
                self.diagnostics.push(Diagnostic {
                    manifest: manifest_path,
                    library: target.kind != ["test"] && target.kind != ["example"],
                    level: message.level,
                    message: message.message,
                    code: message.code.map(|code| code.code),
                    place,
                    rendered: message.rendered.unwrap_or_default(),
                });
            }
            _ => {}
        }
    }

    /// The test program of the package with this manifest.
    pub fn program(&self, manifest: &Path) -> Option<&Path> {
        self.programs
            .iter()
            .find(|(owner, _)| owner == manifest)
            .map(|(_, program)| program.as_path())
    }

    /// The files of the library of the package with this manifest.
    pub fn library(&self, manifest: &Path) -> Option<&[PathBuf]> {
        self.libraries
            .iter()
            .find(|(owner, _)| owner == manifest)
            .map(|(_, files)| files.as_slice())
    }

    /// The error that cargo itself printed, for builds that failed without a
    /// message of the compiler.
    pub fn complaint(&self) -> &str {
        let from = self.said.find("error").unwrap_or(0);
        self.said.get(from..).unwrap_or(&self.said)
    }
}

#[derive(Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-artifact")]
    Artifact {
        manifest_path: PathBuf,
        target: Target,
        executable: Option<PathBuf>,
        filenames: Vec<PathBuf>,
    },
    #[serde(rename = "compiler-message")]
    Said {
        manifest_path: PathBuf,
        target: Target,
        message: Rustc,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Rustc {
    level: String,
    message: String,
    code: Option<Code>,
    spans: Vec<Span>,
    rendered: Option<String>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u32,
    is_primary: bool,
}
