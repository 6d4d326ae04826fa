//! The catalogue (`exercises/course.toml`), and where the files of an exercise are.
//!
//! ```toml
//! [[exercise]]
//! id = "spin-lock"
//! topic = "sync"
//! title = "A lock out of one atomic"
//! minutes = 40
//! points = 10
//! needs = ["scoped-map"]
//! stub = { outcome = "panic", cause = "not yet implemented" }
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use proctor::Outcome;
use serde::Deserialize;

use crate::trouble::Trouble;

/// Where a bundle keeps the explanations of known mistakes. Only bundles have this file.
pub const EXPLANATIONS: &str = "exercises/explanations.json";

/// What a bundle answers when somebody asks for a solution.
pub const NO_SOLUTIONS: &str = "this copy of the course is for students and contains no solutions: the person who gave it to you has them";

/// The course on this machine.
#[derive(Debug)]
pub struct Course {
    /// The folder that holds `exercises/`.
    pub root: PathBuf,
    /// The exercises, in the order in which learners do them.
    pub exercises: Vec<Exercise>,
}

/// One entry of the catalogue.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// The package's name.
    pub id: String,
    /// The folder below `exercises/` and `solutions/`.
    pub topic: String,
    /// What the learner reads in lists.
    pub title: String,
    /// How many minutes a learner who knows the chapter needs.
    pub minutes: u32,
    /// How many points an instructor gives for it.
    pub points: u32,
    /// Exercises that a learner does before this one.
    pub needs: Vec<String>,
    /// What the machine must offer.
    #[serde(default)]
    pub machine: Vec<String>,
    /// Names that the policy refuses in other exercises and that this one needs.
    #[serde(default)]
    pub allow: Vec<String>,
    /// How every test fails on the untouched stub.
    pub stub: Stub,
    /// Former ids, so that progress survives a renaming.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// The course's root, filled in after reading.
    #[serde(skip)]
    root: PathBuf,
}

/// How a test fails on the stub.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stub {
    /// The outcome.
    pub outcome: Outcome,
    /// A fragment of the cause.
    pub cause: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    #[serde(default)]
    exercise: Vec<Exercise>,
}

impl Course {
    /// Finds the course that `start` lies in: the first folder, from `start`
    /// upwards, that contains `exercises/course.toml`.
    ///
    /// # Errors
    /// There is no such folder, or the catalogue cannot be read or is malformed.
    pub fn find(start: &Path) -> Result<Course, Trouble> {
        start
            .ancestors()
            .find(|folder| catalogue_in(folder).is_file())
            .ok_or_else(|| Trouble::NoCourse(start.to_owned()))
            .and_then(Course::open)
    }

    /// Reads the course in exactly this folder.
    ///
    /// # Errors
    /// The catalogue cannot be read or is malformed.
    pub fn open(root: &Path) -> Result<Course, Trouble> {
        let path = catalogue_in(root);
        let text = fs::read_to_string(&path).map_err(Trouble::reading(&path))?;
        let mut catalogue: Catalogue =
            toml::from_str(&text).map_err(|error| Trouble::Malformed {
                path: path.clone(),
                why: error.to_string(),
            })?;
        for exercise in &mut catalogue.exercise {
            exercise.root = root.to_owned();
        }
        Ok(Course {
            root: root.to_owned(),
            exercises: catalogue.exercise,
        })
    }

    /// Checks that the course is still in its folder. A program that runs for
    /// long must not make the folder again after somebody has moved it.
    ///
    /// # Errors
    /// The folder was moved or removed.
    pub fn is_still_there(&self) -> Result<(), Trouble> {
        match catalogue_in(&self.root).is_file() {
            true => Ok(()),
            false => Err(Trouble::Refused(format!(
                "the course is no longer in {}: quit, and start again in the folder where it is now",
                self.root.display()
            ))),
        }
    }

    /// The exercise that has this name, or once had it.
    ///
    /// # Errors
    /// No exercise has it. The error holds the most similar name.
    pub fn exercise(&self, name: &str) -> Result<&Exercise, Trouble> {
        let name = name.trim_end_matches('/');
        let is_named = |exercise: &&Exercise| {
            exercise.id == name || exercise.aliases.iter().any(|alias| alias == name)
        };
        self.exercises
            .iter()
            .find(is_named)
            .ok_or_else(|| Trouble::UnknownExercise {
                name: name.to_owned(),
                nearest: self.nearest(name),
            })
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let similarity = |id: &str| strsim::jaro_winkler(&name.to_lowercase(), id);
        self.exercises
            .iter()
            .map(|exercise| (similarity(&exercise.id), &exercise.id))
            .filter(|(similarity, _)| *similarity > 0.7)
            .max_by(|(one, _), (other, _)| one.total_cmp(other))
            .map(|(_, id)| id.clone())
    }

    /// Whether this is a copy for students, which `cargo course bundle` makes.
    /// Such a copy contains no solutions, and it explains the known mistakes
    /// without showing their code.
    pub fn is_bundle(&self) -> bool {
        self.root.join(EXPLANATIONS).is_file()
    }

    /// For commands that need solutions and mistakes.
    ///
    /// # Errors
    /// This is the copy for students.
    pub fn refuse_a_bundle(&self) -> Result<(), Trouble> {
        match self.is_bundle() {
            false => Ok(()),
            true => Err(Trouble::Refused(
                "this copy of the course is for students: it contains neither the solutions nor the tools that \
                 this command needs. Run the command in the course that this copy was made of"
                    .into(),
            )),
        }
    }

    /// The path relative to the root, if it lies below the root. That is how
    /// messages name files.
    pub fn short<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

impl Exercise {
    /// `exercises/TOPIC/ID`.
    pub fn folder(&self) -> PathBuf {
        self.root.join("exercises").join(&self.topic).join(&self.id)
    }

    /// The course's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// `solutions/TOPIC/ID`.
    pub fn solution(&self) -> PathBuf {
        self.root.join("solutions").join(&self.topic).join(&self.id)
    }

    /// The file in which a bundle keeps the explanations of known mistakes.
    /// Other copies of the course do not have it.
    pub(crate) fn explanations(&self) -> PathBuf {
        self.root.join(EXPLANATIONS)
    }

    /// The learner's file.
    pub fn source(&self) -> PathBuf {
        self.folder().join("src/lib.rs")
    }

    /// The only copy of the tests.
    pub fn tests(&self) -> PathBuf {
        self.folder().join(self.tests_name())
    }

    /// The path of the tests within the exercise's folder.
    pub fn tests_name(&self) -> String {
        format!("tests/{}.rs", self.id)
    }

    /// The manifest of its explored crate. There is none if the exercise
    /// explores nothing.
    pub fn explored(&self) -> Option<PathBuf> {
        explored_in(&self.folder())
    }
}

/// The manifest of the explored crate in an exercise's or a solution's folder.
pub fn explored_in(folder: &Path) -> Option<PathBuf> {
    let manifest = folder.join(EXPLORED);
    manifest.is_file().then_some(manifest)
}

/// Where an explored crate's manifest is, from the folder of its package.
pub const EXPLORED: &str = "explored/Cargo.toml";

fn catalogue_in(folder: &Path) -> PathBuf {
    folder.join("exercises/course.toml")
}
