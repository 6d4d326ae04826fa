//! The judging programs: one for each exercise, built once.
//!
//! A judging program is made of the trusted tests and the exercise's original
//! stub. It contains no code of the learner, so a change of the learner's code
//! never makes it necessary to build it again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::build::cargo::{self, Request};
use crate::build::compiled::failure;
use crate::build::freshness;
use crate::build::scratch::{Package, Part, Scratch};
use crate::exercise::catalogue::{Course, Exercise};
use crate::exercise::originals::Files;
use crate::files::{self, fingerprint};
use crate::trouble::Trouble;

/// The folder of a judge's files in the scratch workspace, which is part of the
/// names that the compiler gives to them.
pub(crate) const JUDGING: &str = "judging";

/// The judging program of an exercise. It is built if there is none, or if the
/// existing one was made of other files than those given now.
///
/// # Errors
/// It cannot be built: the course is broken, or the machine lacks something.
pub fn judge_of(
    course: &Course,
    exercise: &Exercise,
    given: &Files,
    tell: Option<fn(&str)>,
) -> Result<PathBuf, Trouble> {
    let mut scratch = Scratch::open(course, "judge", tell)?;
    // Another checkout may build in the same folder.
    let place = fingerprint(&course.root.display().to_string());
    let kept = scratch
        .target
        .join("course/judges")
        .join(place)
        .join(&exercise.id);
    let mark = kept.with_extension("made-of");
    let made_of = made_of(course, &scratch.target, given)?;
    if kept.is_file() && files::text(&mark).is_ok_and(|old| old == made_of) {
        return Ok(kept);
    }
    let name = format!("{}-judge", exercise.id);
    let judge = scratch.add(Package {
        exercise,
        given,
        name: &name,
        folder: JUDGING,
        part: Part::Judge,
        only: None,
        sources: &sources_of(given),
    })?;
    scratch.finish()?;
    let built = cargo::build(&Request {
        folder: scratch.folder.clone(),
        target: Some(scratch.target.clone()),
        packages: vec![&name],
        tests: vec![&exercise.id],
        tell,
        ..Request::default()
    })?;
    let Some(program) = built.program(&judge.manifest) else {
        return Err(failure(&built));
    };
    let _ = fs::remove_file(&mark);
    keep(program, &kept)?;
    files::write(&mark, &made_of)?;
    Ok(kept)
}

/// The files below `src/` among an exercise's files.
pub fn sources_of(given: &Files) -> Files {
    given
        .iter()
        .filter_map(|(file, text)| Some((file.strip_prefix("src/")?.to_owned(), text.clone())))
        .collect()
}

/// Gives a program a second name (a hard link, or else a copy). What cargo
/// links later is a new file, so the second name keeps its program.
///
/// # Errors
/// The folder cannot be written.
pub fn keep(program: &Path, kept: &Path) -> Result<(), Trouble> {
    let folder = kept.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(Trouble::writing(folder))?;
    let _ = fs::remove_file(kept);
    fs::hard_link(program, kept)
        .or_else(|_| fs::copy(program, kept).map(drop))
        .map_err(Trouble::writing(kept))
}

/// A hash of everything that decides what a judging program is.
fn made_of(course: &Course, target: &Path, given: &Files) -> Result<String, Trouble> {
    let mut parts = vec![
        freshness::of_the_crates(course, target)?,
        toolchain(course),
        this_program(),
        course.root.display().to_string(),
    ];
    for file in ["Cargo.toml", "Cargo.lock"] {
        let path = course.root.join(file);
        parts.push(files::text(&path).unwrap_or_default());
    }
    for (file, text) in given {
        if file.ends_with(".rs") || file.ends_with(".toml") {
            parts.push(file.clone());
            parts.push(text.clone());
        }
    }
    Ok(fingerprint(&parts.join("\0")))
}

/// Identifies this build of `course`: a judge has to use the same version of the records.
fn this_program() -> String {
    fs::metadata("/proc/self/exe").map_or_else(
        |_| String::new(),
        |data| {
            let (seconds, nanos) = (data.mtime(), data.mtime_nsec());
            format!("{} {} {seconds}.{nanos}", data.len(), data.ino())
        },
    )
}

/// Identifies the compiler and its settings, as far as that is possible without
/// starting it.
fn toolchain(course: &Course) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_default();
    let looks = fs::metadata(&cargo).map_or_else(
        |_| String::new(),
        |data| format!("{} {}", data.len(), data.mtime()),
    );
    let ours = cargo::names_of_our_own_package();
    let settings = std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        (name.starts_with("CARGO") || name.starts_with("RUST"))
            && !ours.iter().any(|ours| *ours == name)
    });
    let mut settings: Vec<_> = settings.map(|setting| format!("{setting:?}")).collect();
    settings.sort();
    // Cargo looks for its configuration in the folders above, and in its home folder.
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let folders = course.root.ancestors().map(|folder| folder.join(".cargo"));
    for folder in folders.chain(home) {
        for name in ["config.toml", "config"] {
            settings.extend(fs::read_to_string(folder.join(name)));
        }
    }
    format!("{looks} {}", settings.join("\n"))
}
