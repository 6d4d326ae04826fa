//! A source and its judge, built and kept in a folder in which no other build
//! overwrites them.
//!
//! ```text
//! target/course/run-PID-XXXXXX/   one judgement
//!   judge  subject            the two programs
//!   work/                     where they run, and may write
//!     candidate/…             source and tests, where the compiler saw them:
//!                             timelines quote their lines
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::build::allowance::Allowance;
use crate::build::cargo::{self, Built, Request};
use crate::build::compiled::{self, Submission, Uncompiled};
use crate::build::judges::{self, JUDGING, keep};
use crate::build::scratch::{CHECK, Candidate, Package, Part, Scratch};
use crate::exercise::catalogue::{Course, Exercise};
use crate::exercise::originals::{self, Files};
use crate::exercise::probes::Library;
use crate::files;
use crate::judge::{How, Source};
use crate::trouble::Trouble;

/// The programs and texts of one judgement, and where they are.
#[derive(Debug)]
pub struct Stage {
    /// Why there is no program to judge, if there is none.
    pub uncompiled: Option<Uncompiled>,
    /// How many warnings the compiler has about the source.
    pub warnings: usize,
    /// The text of the tests that judge.
    pub tests: String,
    /// The library that the compiler made of the source.
    pub library: Option<Library>,
    /// The folder of this judgement. It is removed together with this value.
    folder: TempDir,
    /// Where the package of the source was compiled.
    package: PathBuf,
    /// How the compiler names files, and how a person does.
    names: Vec<(String, String)>,
}

impl Stage {
    /// Builds the judge, unless there is one, and the subject.
    ///
    /// # Errors
    /// Those of [`cargo::build`]. The learner's folder cannot be read, or
    /// something in it has changed that a learner must not change. The scratch
    /// workspace cannot be written.
    pub fn build(
        course: &Course,
        exercise: &Exercise,
        source: &Source,
        how: &How,
    ) -> Result<Self, Trouble> {
        let given = originals::pristine(exercise)?;
        let allowance = Allowance::of_environment().map_err(Trouble::Refused)?;
        let (sources, name) = match source {
            Source::Learner => {
                let name = course.short(&exercise.source()).display().to_string();
                (learners_sources(course, exercise)?, name)
            }
            Source::Other { name, text } => {
                let only = Files::from([("lib.rs".to_owned(), text.clone())]);
                (only, name.clone())
            }
        };
        let judge = judges::judge_of(course, exercise, &given, how.tell)?;

        let mut scratch = Scratch::open(course, CHECK, how.tell)?;
        let candidate = scratch.add(Package {
            exercise,
            given: &with_the_manifests_of(exercise, &given)?,
            name: &exercise.id,
            folder: "candidate",
            part: Part::Subject,
            only: None,
            sources: &sources,
        })?;
        scratch.finish()?;
        let names = names(course, exercise, &candidate, &name);
        let folder = run_folder(&crate::build::scratch::folder_of(course))?;
        let mut stage = Stage {
            uncompiled: None,
            warnings: 0,
            tests: given
                .get(&exercise.tests_name())
                .cloned()
                .unwrap_or_default(),
            library: None,
            folder,
            package: candidate
                .manifest
                .parent()
                .unwrap_or(&course.root)
                .to_owned(),
            names,
        };
        let submission = Submission {
            exercise,
            sources: &sources,
            how,
        };
        stage.uncompiled = submission.refused(&name);
        if stage.uncompiled.is_some() {
            return Ok(stage);
        }
        let built = cargo::build(&Request {
            folder: scratch.folder.clone(),
            packages: vec![&exercise.id],
            examples: vec![&exercise.id],
            colour: how.colour,
            target: Some(scratch.target.clone()),
            tell: how.tell,
            allowance: Some(allowance),
            ..Request::default()
        })?;
        let renamed = |text: &str| stage.named(text);
        stage.uncompiled = submission.rejected(&built, &candidate, &judge, &allowance, &renamed)?;
        stage.warnings = compiled::warnings(&built, &candidate.manifest);
        if stage.uncompiled.is_none() {
            let files = built.library(&candidate.manifest);
            let library = files.and_then(|files| Library::of(&exercise.id, files));
            let kept = library.map(|library| library.kept_in(stage.folder.path()));
            stage.library = kept.transpose()?;
            stage.furnish(&built, &judge, &candidate, &sources)?;
        }
        Ok(stage)
    }

    /// Puts programs and texts into the folder of this judgement.
    fn furnish(
        &self,
        built: &Built,
        judge: &Path,
        candidate: &Candidate,
        sources: &Files,
    ) -> Result<(), Trouble> {
        let Some(program) = built.program(&candidate.manifest) else {
            return Err(compiled::failure(built));
        };
        keep(program, &self.subject())?;
        keep(judge, &self.judge())?;
        let package = self.folder().join(&candidate.folder);
        for (name, text) in sources {
            write(&package.join("src").join(name), text)?;
        }
        let tests = package.join("tests").join(format!("{}.rs", candidate.name));
        write(&tests, &self.tests)?;
        // The compiler names the explored crate's source by a path that starts in
        // that crate's folder.
        if candidate.explored.is_some() {
            let explored = package.join("explored");
            fs::create_dir_all(&explored).map_err(Trouble::writing(&explored))?;
        }
        Ok(())
    }

    /// Where the programs run.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// The folder in which the subject's package was compiled.
    pub fn package(&self) -> &Path {
        &self.package
    }

    /// The folders that the code must not change: the course, and what is built.
    pub fn guarded(&self, course: &Course) -> [PathBuf; 2] {
        let built = self.folder.path().parent().unwrap_or(self.folder.path());
        [course.root.clone(), built.to_owned()]
    }

    /// The judging program.
    pub fn judge(&self) -> PathBuf {
        self.folder.path().join("judge")
    }

    /// The program that holds the source.
    pub fn subject(&self) -> PathBuf {
        self.folder.path().join("subject")
    }

    /// A text with files named as the learner knows them.
    pub fn named(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }
}

/// Makes a folder for one judgement. Its name contains the ID of this process,
/// so that later commands can recognize and remove the folders of commands that
/// were killed.
fn run_folder(base: &Path) -> Result<TempDir, Trouble> {
    let is_over = |name: &str| {
        let pid = name
            .strip_prefix("run-")
            .and_then(|name| name.split('-').next());
        pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
    };
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_over) {
            // What is left behind costs only disk space.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new()
        .prefix(&format!("run-{}-", std::process::id()))
        .tempdir_in(base)
        .map_err(Trouble::writing(base))
}

/// Makes every folder accessible before it is removed: a folder that the code
/// made unreadable could not be removed otherwise.
impl Drop for Stage {
    fn drop(&mut self) {
        let mut folders = vec![self.folder()];
        while let Some(folder) = folders.pop() {
            // A folder whose mode cannot be changed cannot be removed either.
            let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            let is_folder =
                |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
            folders.extend(entries.filter(is_folder).map(|entry| entry.path()));
        }
    }
}

/// All Rust files below the learner's `src/`, except for hidden ones.
fn learners_sources(course: &Course, exercise: &Exercise) -> Result<Files, Trouble> {
    let folder = exercise.folder().join("src");
    let lib = exercise.source();
    match files::text(&lib) {
        Err(Trouble::Unreadable { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Trouble::NoLearnerFile {
                exercise: exercise.id.clone(),
                path: lib,
            });
        }
        other => drop(other?),
    }
    let mut found = Files::new();
    let mut folders = vec![folder.clone()];
    while let Some(within) = folders.pop() {
        for entry in fs::read_dir(&within).map_err(Trouble::reading(&within))? {
            let path = entry.map_err(Trouble::reading(&within))?.path();
            let kind = fs::symlink_metadata(&path).map_err(Trouble::reading(&path))?;
            let is_rust = path.extension().is_some_and(|extension| extension == "rs");
            let is_hidden = path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
            if is_hidden {
                // A file of an editor.
            } else if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink() || (is_rust && !kind.is_file()) {
                return Err(Trouble::Refused(format!(
                    "{} is not an ordinary file but a link: replace it with a file that contains the text",
                    course.short(&path).display()
                )));
            } else if is_rust {
                let name = path.strip_prefix(&folder).unwrap_or(&path);
                found.insert(name.display().to_string(), files::text(&path)?);
            }
        }
    }
    Ok(found)
}

/// The original files, but with the manifests in the learner's folder, because
/// a learner may add dependencies.
fn with_the_manifests_of(exercise: &Exercise, given: &Files) -> Result<Files, Trouble> {
    let mut files = given.clone();
    for (file, text) in &mut files {
        if file.ends_with("Cargo.toml") {
            *text = files::text(&exercise.folder().join(file.as_str()))?;
        }
    }
    Ok(files)
}

/// How the compiler names the files of a package, and how the learner does.
fn names(
    course: &Course,
    exercise: &Exercise,
    candidate: &Candidate,
    name: &str,
) -> Vec<(String, String)> {
    let package = &candidate.folder;
    let places = [
        format!("{package}/explored/../src/"),
        format!("{package}/src/"),
    ];
    let given = name.strip_suffix("lib.rs");
    let mut names = Vec::new();
    for place in places {
        names.push((format!("{place}lib.rs"), name.to_owned()));
        if let Some(folder) = given {
            names.push((place, folder.to_owned()));
        }
    }
    let tests = exercise.tests_name();
    let known = course.short(&exercise.tests()).display().to_string();
    names.push((format!("{JUDGING}/{tests}"), known.clone()));
    names.push((format!("{package}/{tests}"), known));
    names.push((format!("{}/", course.root.display()), String::new()));
    names
}

fn write(path: &Path, text: &str) -> Result<(), Trouble> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(Trouble::writing(folder))?;
    fs::write(path, text).map_err(Trouble::writing(path))
}
