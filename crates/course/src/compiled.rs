//! What a build says of a source: does it compile, and if not, where not?
//!
//! One file is compiled several times: as the library, and once for each world
//! that explores it. A learner wants to read an error once.

use std::path::{Path, PathBuf};

use proctor::Place;
use serde::{Deserialize, Serialize};

use crate::cargo::{Built, Diagnostic};
use crate::trouble::Trouble;

/// Source that does not compile.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Uncompiled {
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

/// Whether the source does not compile, and where.
///
/// # Errors
/// Something else does not compile: the course is broken, not the source.
pub fn uncompiled(
    built: &Built,
    manifest: &Path,
    worlds: &[PathBuf],
    renamed: &dyn Fn(&str) -> String,
) -> Result<Option<Uncompiled>, Trouble> {
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
        said.manifest == manifest && said.library
    })
    .or_else(|| of(Part::Tests, &|said| said.manifest == manifest));
    let world = || {
        worlds.iter().find_map(|world| {
            let name = world.parent()?.file_name()?.to_string_lossy().into_owned();
            of(Part::World(name), &|said| said.manifest == *world)
        })
    };
    if let Some(found) = own.or_else(world) {
        return Ok(Some(found));
    }
    match errors.first() {
        Some(foreign) if built.program(manifest).is_none() => Err(Trouble::Build(format!(
            "a part of the course itself does not compile ({}):\n{}",
            foreign.manifest.display(),
            foreign.rendered
        ))),
        _ if built.program(manifest).is_none() => Err(Trouble::Build(format!(
            "cargo could not build it:\n{}\n{}",
            built.complaint(),
            remedy(&built.said)
        ))),
        _ => Ok(None),
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
