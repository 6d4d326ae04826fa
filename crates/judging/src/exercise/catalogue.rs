//! The catalogue: `exercises/course.toml`, and where an exercise's files are.
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

/// Where a bundle keeps what is known of mistakes; no other copy has it.
pub const EXPLANATIONS: &str = "exercises/explanations.json";

/// What such a copy says where a solution is asked for.
pub const NO_SOLUTIONS: &str = "this copy of the course is for students and holds no solutions: whoever gave it to you has them";

/// The course on this machine.
#[derive(Debug)]
pub struct Course {
    /// The folder that holds `exercises/`.
    pub root: PathBuf,
    /// In the order in which they are done.
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
    /// What a learner who knows the chapter needs.
    pub minutes: u32,
    /// What an instructor gives.
    pub points: u32,
    /// Exercises to do before.
    pub needs: Vec<String>,
    /// What the machine must offer.
    #[serde(default)]
    pub machine: Vec<String>,
    /// Names that the policy refuses elsewhere and this exercise needs.
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
    /// Finds the course that `start` lies in: the first folder upwards that
    /// holds `exercises/course.toml`.
    ///
    /// # Errors
    /// No such folder; a catalogue that cannot be read or is malformed.
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
    /// A catalogue that cannot be read or is malformed.
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

    /// The exercise of this name or former name.
    ///
    /// # Errors
    /// None has it; the nearest name is in the error.
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

    /// Whether this is the copy for students, which `cargo course bundle` makes:
    /// it holds no solutions, and explanations of mistakes without the mistakes.
    pub fn is_bundle(&self) -> bool {
        self.root.join(EXPLANATIONS).is_file()
    }

    /// A path below the root as a person reads it.
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

    /// What a bundle knows of the mistakes of all exercises; nowhere else there.
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

    /// Its path within the exercise's folder.
    pub fn tests_name(&self) -> String {
        format!("tests/{}.rs", self.id)
    }

    /// The manifests of its world crates, sorted; none where it explores nothing.
    pub fn worlds(&self) -> Vec<PathBuf> {
        worlds_in(&self.folder())
    }
}

/// The manifests in `FOLDER/worlds/*`, sorted.
pub fn worlds_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join("worlds")) else {
        return Vec::new();
    };
    let mut manifests: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path().join("Cargo.toml"))
        .filter(|manifest| manifest.is_file())
        .collect();
    manifests.sort();
    manifests
}

fn catalogue_in(folder: &Path) -> PathBuf {
    folder.join("exercises/course.toml")
}
