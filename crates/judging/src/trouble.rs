//! The errors, which say why there is no verdict: each is a sentence that names
//! the thing and the next step.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Everything that keeps the command from judging. The exit code is always 2.
#[derive(Debug)]
pub enum Trouble {
    /// No `exercises/course.toml` here or above.
    NoCourse(PathBuf),
    /// The content of a file of the course is wrong.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        why: String,
    },
    /// No exercise has this name.
    UnknownExercise {
        /// What was asked for.
        name: String,
        /// The most similar name that exists.
        nearest: Option<String>,
    },
    /// A file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A source file is not text.
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// How many bytes are right before the first wrong one.
        valid: usize,
    },
    /// A file cannot be written.
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The learner's file is gone.
    NoLearnerFile {
        /// The exercise.
        exercise: String,
        /// Where the file should be.
        path: PathBuf,
    },
    /// Tests, or parts of a manifest that a learner must not change, have changed.
    Edited {
        /// The exercise.
        exercise: String,
        /// The files, each with what has changed.
        files: Vec<String>,
    },
    /// Cargo could not be started.
    NoCargo(io::Error),
    /// Cargo failed, and not because of the learner's code.
    Build(String),
    /// The test program could not be started or watched.
    Run {
        /// The program.
        program: PathBuf,
        /// Why not.
        error: String,
    },
    /// Somebody asked for something that cannot be done. The text is printed as it is.
    Refused(String),
}

impl Trouble {
    /// For `map_err` after reading `path`.
    pub fn reading(path: &Path) -> impl FnOnce(io::Error) -> Trouble + '_ {
        move |error| Trouble::Unreadable {
            path: path.to_owned(),
            error,
        }
    }

    /// The content of a file of the course is wrong.
    pub(crate) fn malformed(path: PathBuf, why: String) -> Trouble {
        Trouble::Malformed { path, why }
    }

    /// For `map_err` after writing `path`.
    pub fn writing(path: &Path) -> impl FnOnce(io::Error) -> Trouble + '_ {
        move |error| Trouble::Unwritable {
            path: path.to_owned(),
            error,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::NoCourse(from) => write!(
                f,
                "there is no exercises/course.toml in {} or above it: change to the course's folder (cd)",
                from.display()
            ),
            Trouble::Malformed { path, why } => {
                write!(f, "{}: {}", path.display(), why.trim_end())
            }
            Trouble::UnknownExercise { name, nearest } => {
                write!(f, "there is no exercise `{name}`")?;
                match nearest {
                    Some(nearest) => write!(f, ": did you mean `{nearest}`?"),
                    None => write!(f, ": `cargo course list` names them all"),
                }
            }
            Trouble::Unreadable { path, error } => {
                write!(f, "{} cannot be read: {}", path.display(), words(error))
            }
            Trouble::NotUtf8 { path, valid } => write!(
                f,
                "{} is not UTF-8 text (the first wrong byte is at offset {valid}): save it as UTF-8",
                path.display()
            ),
            Trouble::Unwritable { path, error } => {
                write!(f, "{} cannot be written: {}", path.display(), words(error))
            }
            Trouble::NoLearnerFile { exercise, path } => write!(
                f,
                "{} is missing: `cargo course reset {exercise}` puts the stub back",
                path.display()
            ),
            Trouble::Edited { exercise, files } => {
                writeln!(
                    f,
                    "{exercise} cannot be judged, because files that belong to the course were changed:"
                )?;
                for file in files {
                    writeln!(f, "  {file}")?;
                }
                write!(
                    f,
                    "`cargo course reset {exercise} --tests` restores these files and leaves your src/lib.rs alone"
                )
            }
            Trouble::NoCargo(error) => write!(
                f,
                "cargo cannot be started ({}): install Rust from https://rustup.rs, or put cargo on the PATH",
                words(error)
            ),
            Trouble::Build(why) => write!(f, "{}", why.trim_end()),
            Trouble::Run { program, error } => write!(
                f,
                "the test program {} cannot be run: {error}",
                program.display()
            ),
            Trouble::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Trouble {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Trouble::Unreadable { error, .. }
            | Trouble::Unwritable { error, .. }
            | Trouble::NoCargo(error) => Some(error),
            _ => None,
        }
    }
}

/// An error of the system in plain words, with what to do about it if that is simple.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::StorageFull => "the disk is full: make room and try again".into(),
        io::ErrorKind::QuotaExceeded => {
            "your disk quota is used up: delete files and try again".into()
        }
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        _ => error.to_string(),
    }
}
