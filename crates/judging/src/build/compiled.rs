//! What a build says about a source: whether it compiles, and where the errors are.
//!
//! One file is compiled several times: as the library, and once to be explored
//! that explores it. A learner wants to read an error once.

use std::path::Path;

use proctor::{Outcome, Place};
use serde::{Deserialize, Serialize};

use crate::build::allowance::Allowance;
use crate::build::cargo::{Built, Diagnostic};
use crate::build::digest::{digest, sentence};
use crate::build::inputs;
use crate::build::linkage;
use crate::build::policy;
use crate::build::scratch::Candidate;
use crate::exercise::catalogue::Exercise;
use crate::exercise::originals::Files;
use crate::judge::How;
use crate::trouble::Trouble;

/// Why there is no program of a source that could be judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uncompiled {
    /// The outcome that every test gets: the source does not compile, it is
    /// refused, or the compiler exceeded a limit.
    pub outcome: Outcome,
    /// What does not compile.
    pub part: Part,
    /// What the compiler says, ready to print.
    pub said: String,
    /// The errors, one on each line.
    pub cause: String,
    /// Where the first error is.
    pub at: Option<Place>,
    /// What errors in the tests mean for the file, if that is known.
    pub sentence: Option<String>,
}

/// Which of the crates made of the learner's file does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// The file itself.
    File,
    /// The tests that use it.
    Tests,
    /// The file compiles, but not against the std that explores it.
    Explored,
}

/// A source, and how it is judged.
#[derive(Clone, Copy)]
pub struct Submission<'a> {
    /// The exercise that it is for.
    pub exercise: &'a Exercise,
    /// The files of the source.
    pub sources: &'a Files,
    /// How it is judged: for example, whether the policy applies.
    pub how: &'a How<'a>,
}

impl Submission<'_> {
    /// What the policy refuses before anything is compiled. `name` is the name
    /// of `lib.rs` in messages.
    pub fn refused(&self, name: &str) -> Option<Uncompiled> {
        if self.how.without_policy {
            return None;
        }
        self.sources.iter().find_map(|(file, text)| {
            // If the text is not made of Rust's tokens, the compiler explains
            // that better. If the compiler accepts the text all the same,
            // `unreadable` refuses it.
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
                sentence: None,
            })
        })
    }

    /// Why there is no program to judge after the build, if there is none. It
    /// looks at what the compiler says, then at what the policy could not read,
    /// and then at what the linker made.
    ///
    /// # Errors
    /// Something other than the source does not compile, or a program cannot be read.
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

    /// Refuses a source that compiles although the policy could not read it.
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

/// This environment variable switches off the check of the linked program.
/// Tests set it to see that the other defenses hold although code runs before
/// `main`.
const UNLINKED: &str = "COURSE_LINKAGE_UNCHECKED";

/// Refuses a program that shows, after linking, what the policy did not see.
///
/// # Errors
/// A program cannot be read.
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

/// Why there is no program of the source to judge, if there is none.
///
/// # Errors
/// Something other than the source does not compile: the course is broken.
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
        let rendered = digest(&errors, part != Part::File);
        let sentence = match part {
            Part::Tests => sentence(&errors),
            _ => None,
        };
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
            sentence,
        })
    };
    let own = of(Part::File, &|said| {
        said.manifest == *manifest && said.library
    })
    .or_else(|| of(Part::Tests, &|said| said.manifest == *manifest));
    let explored = || {
        let manifest = candidate.explored.as_ref()?;
        of(Part::Explored, &|said| said.manifest == *manifest)
    };
    if let Some(found) = own.or_else(explored) {
        return Ok(Some(found));
    }
    if built.program(manifest).is_some() {
        let foreign = inputs::foreign(built, candidate)?;
        return Ok(foreign.map(|foreign| without_place(Outcome::Refused, foreign.to_string())));
    }
    if let Some((_, signal)) = built.complaint().split_once("(signal: ") {
        // The course's own code never makes a compiler crash.
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

/// The error for a build in which cargo built nothing and no compiler said why.
pub fn failure(built: &Built) -> Trouble {
    let errors = built.diagnostics.iter().filter(|said| said.is_error());
    let rendered: String = errors.map(|said| said.rendered.as_str()).collect();
    Trouble::Build(format!(
        "cargo could not build the test program:\n{rendered}{}\n{}",
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
        sentence: None,
    }
}

/// What the machine lacks: words that the system or the compiler prints, and
/// what to do. None of these errors is the learner's mistake.
const LACKS: [(&str, &str); 5] = [
    (
        "Read-only file system",
        "the target folder is read-only: set CARGO_TARGET_DIR to a folder that is writable",
    ),
    (
        "Permission denied",
        "you may not write to the target folder: set CARGO_TARGET_DIR to a folder of your own",
    ),
    (
        "No space left on device",
        "the disk is full: make room, or set CARGO_TARGET_DIR to a folder on another disk",
    ),
    (
        "Disk quota exceeded",
        "your disk quota is used up: make room and try again",
    ),
    (
        "linker `cc` not found",
        "linking needs a C compiler: install gcc or clang",
    ),
];

fn remedy(said: &str) -> &'static str {
    LACKS
        .iter()
        .find(|(words, _)| said.contains(words))
        .map_or("", |(_, remedy)| remedy)
}

/// The error for a message of the compiler for which the source is not to
/// blame: the message names no place in it.
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
