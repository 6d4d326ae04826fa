//! What the learner has passed: `.course/progress.json` in the course's folder.
//!
//! It is kept by exercise id, with the fingerprint of the tests that were
//! passed. So an update of the course never loses it, and can tell which tests
//! have changed since.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use judging::exercise::catalogue::{Course, Exercise};
use judging::files;
use judging::trouble::Trouble;
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The exercises that were passed, by exercise id.
    #[serde(default)]
    pub passed: BTreeMap<String, Passed>,
    /// How many hints were shown, by exercise id.
    #[serde(default)]
    pub hints: BTreeMap<String, usize>,
    /// The exercise that was open when the learner last used the loop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

/// One exercise that was passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// The fingerprint of the tests.
    pub tests: String,
    /// Seconds since 1970.
    pub when: u64,
}

/// Where the progress is kept.
pub fn path(course: &Course) -> PathBuf {
    course.root.join(".course/progress.json")
}

impl Progress {
    /// Reads the progress. A file that cannot be understood is renamed, so that
    /// nothing is lost. The second value is then a sentence that says so.
    ///
    /// # Errors
    /// The file exists but cannot be read.
    pub fn read(course: &Course) -> Result<(Progress, Option<String>), Trouble> {
        let path = path(course);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((Progress::default(), None));
            }
            Err(error) => return Err(Trouble::Unreadable { path, error }),
        };
        match serde_json::from_slice(&bytes) {
            Ok(progress) => Ok((progress, None)),
            Err(error) => {
                let aside = move_aside(&path);
                let kept = match &aside {
                    Ok(aside) => format!("it was renamed to {}", course.short(aside).display()),
                    Err(error) => format!("it could not be renamed ({error})"),
                };
                let said = format!(
                    "{} cannot be understood ({error}): {kept}, and your progress starts from zero",
                    course.short(&path).display()
                );
                Ok((Progress::default(), Some(said)))
            }
        }
    }

    /// Reads the progress, changes it and writes it, while no other process
    /// does the same. So two terminals at the same time lose nothing.
    ///
    /// # Errors
    /// Those of the file system. Nothing is changed then.
    pub fn change(
        course: &Course,
        change: impl FnOnce(&mut Progress),
    ) -> Result<Progress, Trouble> {
        course.is_still_there()?;
        let file = path(course);
        let lock = file.with_extension("lock");
        let folder = lock.parent().unwrap_or(&lock);
        fs::create_dir_all(folder).map_err(Trouble::writing(folder))?;
        let held = fs::File::create(&lock).map_err(Trouble::writing(&lock))?;
        held.lock().map_err(Trouble::writing(&lock))?;
        let (mut progress, _) = Progress::read(course)?;
        change(&mut progress);
        progress.write(course)?;
        Ok(progress)
    }

    /// Writes the file as a whole or not at all.
    ///
    /// # Errors
    /// Those of the file system.
    fn write(&self, course: &Course) -> Result<(), Trouble> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        files::write(&path(course), &text)
    }

    /// Whether an exercise was passed, under its name or a former name.
    pub fn has_passed(&self, exercise: &Exercise) -> bool {
        self.of(exercise).is_some()
    }

    /// What is known about an exercise.
    pub fn of(&self, exercise: &Exercise) -> Option<&Passed> {
        std::iter::once(&exercise.id)
            .chain(&exercise.aliases)
            .find_map(|id| self.passed.get(id))
    }

    /// Records that these tests were passed now. Returns `false` if that is
    /// recorded already.
    pub fn note(&mut self, exercise: &Exercise, tests: &str) -> bool {
        let tests = files::fingerprint(tests);
        if self
            .of(exercise)
            .is_some_and(|passed| passed.tests == tests)
        {
            return false;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let when = now.map_or(0, |since| since.as_secs());
        self.passed
            .insert(exercise.id.clone(), Passed { tests, when });
        true
    }

    /// How many hints of an exercise were shown, under its name or a former name.
    pub fn hints_of(&self, exercise: &Exercise) -> usize {
        let names = std::iter::once(&exercise.id).chain(&exercise.aliases);
        names
            .filter_map(|id| self.hints.get(id).copied())
            .max()
            .unwrap_or(0)
    }

    /// Records that hints up to `number` were shown.
    pub fn has_seen(&mut self, exercise: &Exercise, number: usize) {
        let number = number.max(self.hints_of(exercise));
        self.hints.insert(exercise.id.clone(), number);
    }

    /// The exercise where the learner was last. If it is passed: the next one in the
    /// catalogue's order that is not, and after the last one the first.
    pub fn current<'a>(&self, course: &'a Course) -> Option<&'a Exercise> {
        let is_open = |exercise: &&Exercise| !self.has_passed(exercise);
        let all = &course.exercises;
        let last = all.iter().position(|one| self.at.as_ref() == Some(&one.id));
        let (before, from_there) = all.split_at(last.unwrap_or(0));
        from_there.iter().chain(before).find(is_open)
    }
}

/// Renames the file to `progress.json.broken-1`, or to the first number that is free.
fn move_aside(path: &Path) -> std::io::Result<PathBuf> {
    let aside = numbered(path, "broken");
    fs::rename(path, &aside)?;
    Ok(aside)
}

/// `PATH.WORD-N` with the first N that is free.
pub fn numbered(path: &Path, word: &str) -> PathBuf {
    let mut number = 1;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{word}-{number}"));
        let candidate = PathBuf::from(name);
        if !candidate.exists() {
            return candidate;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOGUE: &str = "[[exercise]]\nid = \"new\"\ntopic = \"t\"\ntitle = \"T\"\n\
        minutes = 1\npoints = 1\nneeds = []\naliases = [\"old\"]\n\
        stub = { outcome = \"panic\", cause = \"not\" }\n";

    fn course() -> (tempfile::TempDir, Course) {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("exercises")).unwrap();
        fs::write(root.path().join("exercises/course.toml"), CATALOGUE).unwrap();
        let course = Course::open(root.path()).unwrap();
        (root, course)
    }

    #[test]
    fn a_renamed_exercise_stays_passed_and_its_hints_shown() {
        let (_root, course) = course();
        let old = r#"{"passed": {"old": {"tests": "x", "when": 1}}, "hints": {"old": 2}}"#;
        files::write(&path(&course), old).unwrap();
        let (progress, _) = Progress::read(&course).unwrap();
        assert!(progress.has_passed(&course.exercises[0]));
        assert_eq!(progress.hints_of(&course.exercises[0]), 2);
    }

    #[test]
    fn after_a_passed_exercise_comes_the_next_one_that_is_not() {
        let (_root, mut course) = course();
        let names = ["a", "b", "c", "d"];
        let template = course.exercises.remove(0);
        course.exercises = names
            .map(|id| {
                let mut exercise = template.clone();
                exercise.id = id.into();
                exercise
            })
            .into();
        let current = |passed: &[usize], at: &str| {
            let mut progress = Progress::default();
            for number in passed {
                progress.note(&course.exercises[*number], "tests");
            }
            progress.at = Some(at.into());
            progress
                .current(&course)
                .map(|exercise| exercise.id.clone())
        };
        assert_eq!(current(&[], "c").as_deref(), Some("c"));
        assert_eq!(current(&[2], "c").as_deref(), Some("d"));
        assert_eq!(current(&[2, 3], "c").as_deref(), Some("a"));
        assert_eq!(current(&[1, 2], "b").as_deref(), Some("d"));
        assert_eq!(current(&[1], "gone").as_deref(), Some("a"));
        assert_eq!(current(&[0, 1, 2, 3], "c"), None);
    }

    #[test]
    fn changes_from_many_sides_are_all_kept() {
        let (_root, course) = course();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let course = &course;
                scope.spawn(move || {
                    Progress::change(course, |kept| {
                        kept.hints.insert(format!("exercise-{number}"), number);
                    })
                    .unwrap();
                });
            }
        });
        let (progress, _) = Progress::read(&course).unwrap();
        assert_eq!(progress.hints.len(), 8);
    }
}
