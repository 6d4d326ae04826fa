//! What a build says of a source: does it compile, and if not, where not?
//!
//! One file is compiled several times: as the library, and once for each world
//! that explores it. A learner wants to read an error once.

use std::path::Path;

use proctor::{Outcome, Place};
use serde::{Deserialize, Serialize};

use crate::build::allowance::Allowance;
use crate::build::cargo::{Built, Diagnostic};
use crate::build::inputs;
use crate::build::linkage;
use crate::build::policy;
use crate::build::scratch::Candidate;
use crate::exercise::catalogue::Exercise;
use crate::exercise::originals::Files;
use crate::judge::How;
use crate::trouble::Trouble;

/// Source of which there is no program to judge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uncompiled {
    /// The outcome of every test: it does not compile, it is refused, or the
    /// compiler met a limit.
    pub outcome: Outcome,
    /// What does not compile.
    pub part: Part,
    /// What the compiler says, ready to print.
    pub said: String,
    /// The errors, each in one line.
    pub cause: String,
    /// Where it is.
    pub at: Option<Place>,
}

/// Which of the crates made of the learner's file does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The file itself.
    File,
    /// The tests that use it.
    Tests,
    /// The file is right, but not in the world of this name.
    World(String),
}

/// A source, and how it is judged.
#[derive(Clone, Copy)]
pub struct Submission<'a> {
    /// The exercise that it is for.
    pub exercise: &'a Exercise,
    /// Its files.
    pub sources: &'a Files,
    /// Whether the policy holds for it.
    pub how: &'a How<'a>,
}

impl Submission<'_> {
    /// What the policy refuses before anything is compiled. `name` is what a
    /// person calls `lib.rs`.
    pub fn refused(&self, name: &str) -> Option<Uncompiled> {
        if self.how.without_policy {
            return None;
        }
        self.sources.iter().find_map(|(file, text)| {
            // What is not made of Rust's tokens, the compiler explains better;
            // if it finds nothing to complain about, `unreadable` does.
            let found = policy::refusals(text, &self.exercise.allow).ok()?;
            let first = found.first()?;
            let sentences: Vec<String> = found.iter().map(ToString::to_string).collect();
            let folder = name.strip_suffix("lib.rs").filter(|_| file != "lib.rs");
            Some(Uncompiled {
                outcome: Outcome::Refused,
                part: Part::File,
                said: sentences.join("\n"),
                cause: sentences.join("\n"),
                at: Some(Place {
                    file: folder
                        .map_or_else(|| name.to_owned(), |folder| format!("{folder}{file}")),
                    line: first.line,
                }),
            })
        })
    }

    /// Whether there is no program to judge after the build, and why: what the
    /// compiler says, then what the policy could not read, then what the
    /// linker made of it.
    ///
    /// # Errors
    /// Something else does not compile; a program cannot be read.
    pub fn rejected(
        &self,
        built: &Built,
        candidate: &Candidate,
        judge: &Path,
        allowed: &Allowance,
        renamed: &dyn Fn(&str) -> String,
    ) -> Result<Option<Uncompiled>, Trouble> {
        let found = uncompiled(built, candidate, allowed, renamed)?;
        match found.or_else(|| self.unreadable()) {
            None => linked(built, candidate, judge),
            found => Ok(found),
        }
    }

    /// What compiles although the policy could not read it.
    fn unreadable(&self) -> Option<Uncompiled> {
        if self.how.without_policy {
            return None;
        }
        self.sources.values().find_map(|text| {
            let error = policy::refusals(text, &self.exercise.allow).err()?;
            Some(without_place(Outcome::Refused, error.to_string()))
        })
    }
}

/// Set for tests of what has to hold although code runs before `main`.
const UNLINKED: &str = "COURSE_LINKAGE_UNCHECKED";

/// What the linker shows and the policy did not.
///
/// # Errors
/// A program that cannot be read.
fn linked(
    built: &Built,
    candidate: &Candidate,
    judge: &Path,
) -> Result<Option<Uncompiled>, Trouble> {
    let Some(program) = built.program(&candidate.manifest) else {
        return Ok(None);
    };
    if std::env::var_os(UNLINKED).is_some() {
        return Ok(None);
    }
    let strange = linkage::strange(program, judge)?;
    Ok(strange.map(|strange| without_place(Outcome::Refused, strange.to_string())))
}

/// Whether there is no program of the source to judge, and why.
///
/// # Errors
/// Something else does not compile: the course is broken, not the source.
fn uncompiled(
    built: &Built,
    candidate: &Candidate,
    allowed: &Allowance,
    renamed: &dyn Fn(&str) -> String,
) -> Result<Option<Uncompiled>, Trouble> {
    if let Some(exceeded) = built.exceeded {
        return Ok(Some(without_place(
            Outcome::Limit,
            exceeded.sentence(allowed),
        )));
    }
    let manifest = &candidate.manifest;
    let errors: Vec<&Diagnostic> = built
        .diagnostics
        .iter()
        .filter(|said| said.is_error() && !said.message.starts_with("aborting due to"))
        .collect();
    if let Some(trouble) = errors.iter().find_map(|said| lack(said)) {
        return Err(trouble);
    }
    let of = |part: Part, is: &dyn Fn(&Diagnostic) -> bool| {
        let errors: Vec<&Diagnostic> = errors.iter().copied().filter(|said| is(said)).collect();
        let first = errors.first()?;
        let rendered: String = errors.iter().map(|e| e.rendered.as_str()).collect();
        let headlines: Vec<String> = errors.iter().map(|error| error.headline()).collect();
        Some(Uncompiled {
            outcome: Outcome::CompileError,
            part,
            said: renamed(&rendered),
            cause: headlines.join("\n"),
            at: first.place.as_ref().map(|(file, line)| Place {
                file: renamed(file),
                line: *line,
            }),
        })
    };
    let own = of(Part::File, &|said| {
        said.manifest == *manifest && said.library
    })
    .or_else(|| of(Part::Tests, &|said| said.manifest == *manifest));
    let world = || {
        candidate.worlds.iter().find_map(|world| {
            let name = world.parent()?.file_name()?.to_string_lossy().into_owned();
            of(Part::World(name), &|said| said.manifest == *world)
        })
    };
    if let Some(found) = own.or_else(world) {
        return Ok(Some(found));
    }
    if built.program(manifest).is_some() {
        let foreign = inputs::foreign(built, candidate)?;
        return Ok(foreign.map(|foreign| without_place(Outcome::Refused, foreign.to_string())));
    }
    if let Some((_, signal)) = built.complaint().split_once("(signal: ") {
        // Nothing of ours makes a compiler crash.
        let signal = signal.split(')').next().unwrap_or_default();
        let cause = format!("the compiler crashed on this file: signal {signal}");
        return Ok(Some(without_place(Outcome::CompileError, cause)));
    }
    match errors.first() {
        Some(foreign) => Err(Trouble::Build(format!(
            "a part of the course itself does not compile ({}):\n{}",
            foreign.manifest.display(),
            foreign.rendered
        ))),
        None => Err(failure(built)),
    }
}

/// Cargo built nothing, and no compiler said why.
pub fn failure(built: &Built) -> Trouble {
    let errors = built.diagnostics.iter().filter(|said| said.is_error());
    let rendered: String = errors.map(|said| said.rendered.as_str()).collect();
    Trouble::Build(format!(
        "cargo could not build it:\n{rendered}{}\n{}",
        built.complaint(),
        remedy(&built.said)
    ))
}

fn without_place(outcome: Outcome, cause: String) -> Uncompiled {
    Uncompiled {
        outcome,
        part: Part::File,
        said: cause.clone(),
        cause,
        at: None,
    }
}

/// What the machine lacks: the words of the system or the compiler, and what
/// to do. None of these is the learner's mistake.
const LACKS: [(&str, &str); 5] = [
    (
        "Read-only file system",
        "set CARGO_TARGET_DIR to a folder that can be written",
    ),
    (
        "Permission denied",
        "set CARGO_TARGET_DIR to a folder of your own",
    ),
    (
        "No space left on device",
        "the disk is full: make room, or set CARGO_TARGET_DIR to a folder on another one",
    ),
    (
        "Disk quota exceeded",
        "your disk quota is used up: make room and try again",
    ),
    (
        "linker `cc` not found",
        "a C compiler is needed to link: install gcc or clang",
    ),
];

fn remedy(said: &str) -> &'static str {
    LACKS
        .iter()
        .find(|(words, _)| said.contains(words))
        .map_or("", |(_, remedy)| remedy)
}

/// The compiler failed and the source is not to blame: it names no place in it.
fn lack(said: &Diagnostic) -> Option<Trouble> {
    let remedy = remedy(&said.rendered);
    (said.place.is_none() && !remedy.is_empty())
        .then(|| Trouble::Build(format!("{}{remedy}", said.rendered)))
}

/// How many warnings the compiler has about the library of this manifest.
pub fn warnings(built: &Built, manifest: &Path) -> usize {
    built
        .diagnostics
        .iter()
        .filter(|said| said.manifest == manifest && said.library && said.level == "warning")
        .filter(|said| said.place.is_some())
        .count()
}
