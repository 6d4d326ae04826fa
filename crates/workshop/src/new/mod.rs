//! `new TOPIC/EXERCISE`, for authors: makes an exercise that builds and passes,
//! in which every place to fill in is marked.
//!
//! ```text
//! exercises/TOPIC/NAME/   stub, task, three hints, tests (and explored crate)
//! solutions/TOPIC/NAME/   solution, an alternative, a mistake (and explored crate)
//! exercises/course.toml   an entry at the end
//! ```
//!
//! The command writes both folders into a temporary folder, moves them to their
//! places, and adds the entry last. If a step fails, it undoes the steps
//! before.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

mod name;
mod skeleton;

use judging::exercise::catalogue::Course;
use judging::files;
use judging::terminal::words::count;
use judging::terminal::{complain, say};
use judging::trouble::Trouble;

use self::skeleton::Skeleton;
use crate::lockfile;
use crate::unwritten;

/// Makes the exercise `asked` (`TOPIC/NAME`), with an explored crate
/// if `is_explored` is set, and prints what to fill in.
///
/// # Errors
/// The name is not allowed or is taken, or a file cannot be written. In each of
/// these cases, nothing is left behind.
pub fn new(course: &Course, asked: &str, is_explored: bool) -> Result<u8, Trouble> {
    // If two authors do this at the same time, one waits for the other.
    let exercises = course.root.join("exercises");
    let turn = File::open(&exercises).map_err(Trouble::reading(&exercises))?;
    turn.lock().map_err(Trouble::reading(&exercises))?;
    let course = &Course::open(&course.root)?;

    let (topic, name) = name::checked(course, asked)?;
    let skeleton = Skeleton::of(topic, name, is_explored);
    put(course, topic, name, &skeleton)?;
    if let Err(trouble) = lockfile::refresh(&course.root) {
        complain(&trouble.to_string());
    }
    say(&what_to_do(course, name)?);
    Ok(0)
}

fn put(course: &Course, topic: &str, name: &str, skeleton: &Skeleton) -> Result<(), Trouble> {
    // In the root, where no member pattern of the workspace matches it.
    let staged = tempfile::Builder::new()
        .prefix(".new-exercise-")
        .tempdir_in(&course.root)
        .map_err(Trouble::writing(&course.root))?;
    let mut undo = Undo::default();
    for (house, files) in [
        ("exercises", &skeleton.exercise),
        ("solutions", &skeleton.solution),
    ] {
        let from = staged.path().join(house);
        for (path, text) in files {
            files::write(&from.join(path), text)?;
        }
        let to = course.root.join(house).join(topic).join(name);
        undo.make_folders(to.parent().unwrap_or(&to))?;
        fs::rename(&from, &to).map_err(|error| moving(course, &to, error))?;
        undo.0.push(to);
    }
    let path = course.root.join("exercises/course.toml");
    let mut catalogue = files::text(&path)?;
    if !catalogue.ends_with('\n') {
        catalogue.push('\n');
    }
    files::write(&path, &(catalogue + &skeleton.entry))?;
    undo.0.clear();
    Ok(())
}

fn moving(course: &Course, to: &Path, error: io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
            Trouble::Refused(format!(
                "{} exists already: choose another name",
                course.short(to).display()
            ))
        }
        _ => Trouble::writing(to)(error),
    }
}

/// What was made so far. Dropping it removes everything again, unless the list
/// was cleared.
#[derive(Default)]
struct Undo(Vec<PathBuf>);

impl Undo {
    fn make_folders(&mut self, folder: &Path) -> Result<(), Trouble> {
        let mut missing: Vec<&Path> = folder.ancestors().take_while(|f| !f.exists()).collect();
        while let Some(folder) = missing.pop() {
            fs::create_dir(folder).map_err(Trouble::writing(folder))?;
            self.0.push(folder.to_owned());
        }
        Ok(())
    }
}

impl Drop for Undo {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // The caller already returns an error, which says more than this one.
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn what_to_do(course: &Course, name: &str) -> Result<String, Trouble> {
    let course = Course::open(&course.root)?;
    let exercise = course.exercise(name)?;
    let places = unwritten::places(&course, exercise);
    let mut text = format!(
        "{name} was made, and its entry is the last one in exercises/course.toml. It is a small exercise \
         that works: replace it with yours.\n{} marked `{}`:\n\n",
        match places.len() {
            1 => "1 place to fill in is".to_owned(),
            many => format!("{many} places to fill in are"),
        },
        unwritten::MARK,
    );
    let mut counted: Vec<(&Path, usize)> = Vec::new();
    for place in &places {
        match counted.last_mut() {
            Some((path, number)) if *path == place.path => *number += 1,
            _ => counted.push((&place.path, 1)),
        }
    }
    for (path, number) in counted {
        let path = course.short(path).display();
        text.push_str(&format!("  {path}  {}\n", count(number, "place")));
    }
    text.push_str(&format!(
        "\nAn exercise has at least four alternatives and six mistakes; CONTRIBUTING.md says how they \
         are written.\n`cargo course verify {name}` lists the places that are left. When none is left, it verifies the exercise.\n"
    ));
    Ok(text)
}
