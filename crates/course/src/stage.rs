//! A source and its tests, built: in the learner's folder, or beside it.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::cargo::{self, Built, Request};
use crate::catalogue::{Course, Exercise};
use crate::files;
use crate::judge::How;
use crate::scratch::{Candidate, Scratch};
use crate::trouble::Trouble;

/// What stands where, for one build and run.
#[derive(Debug)]
pub struct Stage {
    /// What cargo made, and said.
    pub built: Built,
    /// The manifest of the package that was built.
    pub manifest: PathBuf,
    /// The manifests of its worlds.
    pub worlds: Vec<PathBuf>,
    /// Where the tests run.
    pub folder: PathBuf,
    /// Program and source in a place where nobody builds over them.
    copy: Option<(TempDir, PathBuf)>,
    /// How the compiler names things, and how a person does.
    names: Vec<(String, String)>,
}

impl Stage {
    /// Builds the exercise as it is.
    ///
    /// # Errors
    /// Those of [`cargo::build`].
    pub fn of_learner(course: &Course, exercise: &Exercise, how: &How) -> Result<Self, Trouble> {
        let built = cargo::build(&Request {
            folder: course.root.clone(),
            packages: vec![&exercise.id],
            tests: vec![&exercise.id],
            binaries: Vec::new(),
            colour: how.colour,
            target: None,
            tell: how.tell,
        })?;
        let source = exercise.source();
        let source = course.short(&source).display().to_string();
        let worlds = exercise.worlds();
        Ok(Stage {
            built,
            manifest: exercise.folder().join("Cargo.toml"),
            names: names(&source, &worlds, &source),
            worlds,
            folder: exercise.folder(),
            copy: None,
        })
    }

    /// Builds the exercise with `text`, called `name`, in place of its source.
    ///
    /// # Errors
    /// Those of [`cargo::build`]; the scratch workspace cannot be written.
    pub fn of_text(
        course: &Course,
        exercise: &Exercise,
        name: &str,
        text: &str,
        colour: bool,
    ) -> Result<Self, Trouble> {
        let mut scratch = Scratch::open(course, "source")?;
        let candidate = scratch.add(exercise, &exercise.id, "candidate", text)?;
        scratch.finish()?;
        let built = cargo::build(&Request {
            folder: scratch.folder.clone(),
            packages: vec![&exercise.id],
            tests: vec![&exercise.id],
            binaries: Vec::new(),
            colour,
            target: Some(scratch.target.clone()),
            tell: None,
        })?;
        // The next command may build over the program, and write over the
        // source whose lines a timeline quotes: run copies, and let it in.
        let copy = match built.program(&candidate.manifest) {
            Some(program) => Some(copied(program, &candidate, text)?),
            None => None,
        };
        let folder = copy
            .as_ref()
            .map_or_else(|| exercise.folder(), |(copy, _)| copy.path().into());
        let mut names = names(&candidate.source, &candidate.worlds, name);
        names.push((format!("{}/", course.root.display()), String::new()));
        Ok(Stage {
            built,
            manifest: candidate.manifest,
            worlds: candidate.worlds,
            folder,
            copy,
            names,
        })
    }

    /// The program to run, if there is one.
    pub fn program(&self) -> Option<&Path> {
        match &self.copy {
            Some((_, copy)) => Some(copy),
            None => self.built.program(&self.manifest),
        }
    }

    /// A text with files named as the learner knows them.
    pub fn named(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

/// The compiler names a world's source by the way from the world's folder.
fn names(source: &str, worlds: &[PathBuf], name: &str) -> Vec<(String, String)> {
    let package = source.trim_end_matches("src/lib.rs");
    let mut names: Vec<_> = world_names(worlds)
        .map(|world| format!("{package}worlds/{world}/../../src/lib.rs"))
        .map(|path| (path, name.to_owned()))
        .collect();
    if source != name {
        names.push((source.to_owned(), name.to_owned()));
    }
    names
}

fn world_names(worlds: &[PathBuf]) -> impl Iterator<Item = String> {
    worlds
        .iter()
        .filter_map(|manifest| manifest.parent()?.file_name())
        .map(|name| name.to_string_lossy().into_owned())
}

/// A copy of the program, and of the source where the compiler saw it.
fn copied(
    program: &Path,
    candidate: &Candidate,
    text: &str,
) -> Result<(TempDir, PathBuf), Trouble> {
    let folder = tempfile::Builder::new()
        .prefix("course-program-")
        .tempdir()
        .map_err(Trouble::writing(&std::env::temp_dir()))?;
    let source = folder.path().join(&candidate.source);
    files::write(&source, text)?;
    for world in world_names(&candidate.worlds) {
        let package = source.ancestors().nth(2).unwrap_or(&source);
        let world = package.join("worlds").join(world);
        fs::create_dir_all(&world).map_err(Trouble::writing(&world))?;
    }
    let copy = folder.path().join("tests");
    fs::copy(program, &copy).map_err(Trouble::writing(&copy))?;
    Ok((folder, copy))
}
