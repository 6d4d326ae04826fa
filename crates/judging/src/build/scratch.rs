//! A second workspace, in which the course builds an exercise's tests with
//! another source instead of its `src/lib.rs`.
//!
//! ```text
//! target/course/
//!   lock                     held while one command builds
//!   judge/  check/  verify/  a workspace each
//!     Cargo.toml             the root's, with other members
//!     Cargo.lock             a copy
//!     NAME/Cargo.toml        the exercise's, renamed
//!     NAME/src/              the source to judge, or (for a judge) the stub
//!     NAME/tests/NAME.rs     the trusted tests
//!     NAME/explored/         likewise
//! ```
//!
//! This module reads the learner's folder and never writes to it.
//!
//! Cargo compares the times of files. A file that was moved, copied with its
//! times, or restored can be older than what cargo built from another file. In
//! this workspace, therefore, the description of a package contains the hash of
//! everything that is compiled for it. Cargo builds a package again when its
//! description changes, so only the content decides what is built.

mod manifest;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use manifest::{Rename, describe, lighten, make_absolute, parse, targets};
use toml::{Table, Value};

use crate::exercise::catalogue::{Course, EXPLORED, Exercise};
use crate::exercise::originals::Files;
use crate::files::{self, fingerprint};
use crate::trouble::Trouble;

/// The workspace. While this value lives, no other process builds in it.
#[derive(Debug)]
pub struct Scratch<'a> {
    course: &'a Course,
    /// The root of the workspace.
    pub folder: PathBuf,
    /// The target folder. It is the one in which the course itself is built, so
    /// that crates from the registry are compiled only once.
    pub target: PathBuf,
    members: Vec<String>,
    /// Whether the compiler keeps what it can use after the next edit
    /// (incremental compilation).
    incremental: bool,
    /// Whether the programs know the lines of their code, with which a hang is
    /// explained.
    with_lines: bool,
    _lock: File,
}

/// What a package is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The tests as libtest runs them. This program judges.
    Judge,
    /// The same tests without their bodies. This program runs the source when
    /// the judge asks.
    Subject,
}

/// The name of the workspace in which very many packages are built, each once.
pub const VERIFY: &str = "verify";

/// The workspace in which a learner's file is compiled.
pub const CHECK: &str = "check";

/// One package to add.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    /// The exercise.
    pub exercise: &'a Exercise,
    /// The exercise's files. Manifests and tests are taken from here.
    pub given: &'a Files,
    /// The package's name.
    pub name: &'a str,
    /// Its folder in the workspace, which is part of the names that the
    /// compiler gives to its files.
    pub folder: &'a str,
    /// What it is for.
    pub part: Part,
    /// The only test that a subject has to serve. The compiler then makes no
    /// code for the others, which is most of its work.
    pub only: Option<&'a str>,
    /// The files below `src/`, by their path there.
    pub sources: &'a Files,
}

/// A package in the workspace.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The package's name.
    pub name: String,
    /// Its manifest.
    pub manifest: PathBuf,
    /// The manifest of its explored crate.
    pub explored: Option<PathBuf>,
    /// Its folder as the compiler will name it.
    pub folder: String,
}

/// `target/course`, wherever the target folder is.
pub fn folder_of(course: &Course) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| course.root.join("target"), |dir| course.root.join(dir))
        .join("course")
}

impl<'a> Scratch<'a> {
    /// Opens the workspace of this name, without members. If another command
    /// builds in one of the workspaces, it says so and waits.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(course: &'a Course, name: &str, tell: Option<fn(&str)>) -> Result<Self, Trouble> {
        let base = folder_of(course);
        fs::create_dir_all(base.join(name)).map_err(Trouble::writing(&base))?;
        // The path as cargo will name it, without `..` and symbolic links.
        let base = base.canonicalize().map_err(Trouble::reading(&base))?;
        Ok(Scratch {
            course,
            folder: base.join(name),
            target: base.parent().unwrap_or(&base).to_owned(),
            members: Vec::new(),
            // In the other workspaces, the same few packages are built again
            // after each edit.
            incremental: name != VERIFY,
            with_lines: name == CHECK,
            _lock: locked(&base.join("lock"), tell)?,
        })
    }

    /// Adds a package.
    ///
    /// # Errors
    /// A manifest of the exercise cannot be read, or a file cannot be written.
    pub fn add(&mut self, package: Package) -> Result<Candidate, Trouble> {
        let Package {
            exercise,
            given,
            name,
            folder: short,
            part,
            only,
            sources,
        } = package;
        let folder = self.folder.join(short);
        let tests = exercise.tests_name();
        let text = |file: &str| given.get(file).map_or("", String::as_str);
        let tests_text = match part {
            Part::Judge => text(&tests).to_owned(),
            Part::Subject => with_main(text(&tests), only)
                .map_err(|why| Trouble::malformed(exercise.tests(), why))?,
        };
        let mut manifests: Vec<(&str, Table)> = Vec::new();
        let rename = Rename {
            from: &exercise.id,
            to: name,
        };
        for (file, text) in given {
            if file != "Cargo.toml" && file != EXPLORED {
                continue;
            }
            let table = parse(&exercise.folder().join(file), text)?;
            let place = exercise.folder().join(file);
            manifests.push((file, rename.manifest(table, &place)));
        }
        let written = sources.iter().flat_map(|(file, text)| [file, text]);
        let content = fingerprint(
            &written
                .map(String::as_str)
                .chain([tests_text.as_str()])
                .chain([if part == Part::Judge {
                    "judge"
                } else {
                    "subject"
                }])
                .collect::<Vec<_>>()
                .join("\0"),
        );
        let mut candidate = Candidate {
            name: name.to_owned(),
            manifest: folder.join("Cargo.toml"),
            explored: None,
            folder: short.to_owned(),
        };
        self.members.push(short.to_owned());
        for (file, mut table) in manifests {
            describe(&mut table, &content);
            let path = folder.join(file);
            if file == EXPLORED {
                candidate.explored = Some(path.clone());
                self.members.push(format!("{short}/explored"));
            } else {
                // Cargo puts the examples of all packages into one folder.
                let target = match part {
                    Part::Judge => &exercise.id,
                    Part::Subject => name,
                };
                targets(&mut table, target, &tests, part);
            }
            files::write_if_changed(&path, &table.to_string())?;
        }
        replace_sources(&folder.join("src"), sources)?;
        files::write_if_changed(&folder.join(&tests), &tests_text)?;
        Ok(candidate)
    }

    /// Writes the workspace's own files. This has to be done before building.
    ///
    /// # Errors
    /// The root's manifest cannot be read, or a file cannot be written.
    pub fn finish(&self) -> Result<(), Trouble> {
        let root = &self.course.root;
        let path = root.join("Cargo.toml");
        let mut table = parse(&path, &files::text(&path)?)?;
        let members = self.members.iter().cloned().map(Value::String).collect();
        if let Some(Value::Table(workspace)) = table.get_mut("workspace") {
            workspace.remove("default-members");
            workspace.insert("members".into(), Value::Array(members));
            if let Some(Value::Table(dependencies)) = workspace.get_mut("dependencies") {
                make_absolute(dependencies, root, &[]);
            }
        }
        lighten(&mut table, self.incremental, self.with_lines);
        files::write_if_changed(&self.folder.join("Cargo.toml"), &table.to_string())?;
        self.lock_file(&root.join("Cargo.lock"))
    }

    /// Copies the course's lock file, but only if it or the list of members has
    /// changed. (Cargo removes from the copy what the members here do not need,
    /// so the copy always differs from the original.)
    fn lock_file(&self, given: &Path) -> Result<(), Trouble> {
        if !given.exists() {
            return Ok(());
        }
        let text = files::text(given)?;
        let mark = self.folder.join("Cargo.lock.given");
        let members = self.members.join("\n");
        let hash = fingerprint(&format!("{members}\n{text}"));
        let ours = self.folder.join("Cargo.lock");
        if ours.exists() && fs::read_to_string(&mark).is_ok_and(|old| old == hash) {
            return Ok(());
        }
        let _ = fs::remove_file(&mark);
        files::write(&ours, &text)?;
        files::write(&mark, &hash)
    }

    /// Removes the folders of packages that are not members any more.
    pub fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && !self.members.iter().any(|member| *member == name) {
                // What is left behind costs only disk space.
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

impl Candidate {
    /// The manifests of all crates that are made of the source.
    pub fn crates(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.manifest).chain(&self.explored)
    }
}

/// Takes the lock, because only one command builds at a time. If it has to
/// wait, it says so.
fn locked(path: &Path, tell: Option<fn(&str)>) -> Result<File, Trouble> {
    let cannot = Trouble::writing(path);
    let file = match File::create(path) {
        Ok(file) => file,
        Err(error) => return Err(cannot(error)),
    };
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            let words = "another `cargo course` is building here: waiting for it";
            tell.unwrap_or(crate::terminal::complain)(words);
        }
        Err(TryLockError::Error(error)) => return Err(cannot(error)),
    }
    file.lock().map_err(cannot)?;
    Ok(file)
}

/// The tests as a program. Its `main` serves the test that the judge names: any
/// test, or `only` this one.
fn with_main(tests: &str, only: Option<&str>) -> Result<String, String> {
    let names = crate::exercise::expected::tests(tests)?;
    let entries: String = names
        .iter()
        .filter(|name| only.is_none_or(|only| only == *name))
        .map(|name| format!("(\"{name}\", {name}), "))
        .collect();
    Ok(format!(
        "{tests}\nfn main() {{ ::proctor::__private::serve(&[{entries}]) }}\n"
    ))
}

/// Makes a folder hold exactly these files.
fn replace_sources(folder: &Path, sources: &Files) -> Result<(), Trouble> {
    if folder.exists() {
        for path in files::below(folder)? {
            let name = path.strip_prefix(folder).unwrap_or(&path);
            if !sources.contains_key(&name.display().to_string()) {
                fs::remove_file(&path).map_err(Trouble::writing(&path))?;
            }
        }
    }
    for (name, text) in sources {
        files::write_if_changed(&folder.join(name), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_serves_all_tests_or_only_one() {
        let tests = "#[proctor::test(subject = |(): ()| ())]\nfn one(mut subject: Subject) {}\n\
                     #[proctor::test(subject = |(): ()| ())]\nfn two(mut subject: Subject) {}\n";
        let main = |only| {
            let program = with_main(tests, only).expect("tests that can be read");
            program.rsplit('\n').nth(1).unwrap_or_default().to_owned()
        };
        assert!(main(None).contains("(\"one\", one), (\"two\", two)"));
        let two = main(Some("two"));
        assert!(
            two.contains("(\"two\", two)") && !two.contains("one"),
            "{two}"
        );
        // A program that must not compile is no test.
        assert!(main(Some("probe")).contains("serve(&[])"));
    }
}
