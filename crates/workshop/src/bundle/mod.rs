//! `bundle DIR`, for instructors: copies the course as students get it.
//!
//! ```text
//! DIR/
//!   Cargo.toml  Cargo.lock  README.md  …   the root's, as far as they concern students
//!   .cargo/  crates/  book/                copies; the crates' own tests are left out,
//!                                          because they contain answers, right and wrong;
//!                                          so is the book's page for instructors
//!   exercises/                             as they were given (.kept), never as
//!                                          somebody has half solved them
//!   exercises/explanations.json            what is known of mistakes, without the mistakes
//! ```
//!
//! By `explanations.json` the command recognizes such a copy. It puts
//! everything together in a folder next to DIR, and renames that folder at the
//! end. If a step fails, DIR stays as it was.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

mod copy;
mod exercises;
mod texts;

use judging::exercise::catalogue::Course;
use judging::terminal::words::count;
use judging::terminal::{complain, say};
use judging::trouble::Trouble;

use self::exercises::Chosen;
use crate::lockfile;

/// The beginning of the name of the folder in which a bundle is put together.
const STAGED: &str = ".bundle-";

/// Makes the bundle in `folder`, and prints what it left out.
///
/// # Errors
/// `folder` exists and is not empty, or lies in a folder of the course. The
/// course is not ready: an exercise is not blessed, or a patch cannot be read.
/// A file cannot be read or written. In each of these cases, `folder` stays as
/// it was.
pub fn bundle(course: &Course, folder: &Path) -> Result<u8, Trouble> {
    let folder = place(course, folder)?;
    let chosen = Chosen::of(course)?;
    let parent = folder.parent().unwrap_or(&folder);
    let staged = tempfile::Builder::new()
        .prefix(STAGED)
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir_in(parent)
        .map_err(Trouble::writing(parent))?;
    let left_out = copy::course(course, staged.path())?;
    chosen.write(staged.path())?;
    texts::manifest(course, staged.path())?;
    texts::book(staged.path())?;
    let mut notes = texts::readme(course, staged.path())?;
    lockfile::refresh(staged.path())?;
    fs::rename(staged.path(), &folder).map_err(Trouble::writing(&folder))?;
    // It has a new name now, so there is nothing to remove.
    let _ = staged.keep();

    notes.splice(0..0, chosen.notes);
    notes.iter().for_each(|note| complain(note));
    say(&format!(
        "{} contains the course with {}, for students.\nLeft out: {}.\n\
         The libraries in crates/ are included, and some of them do what an exercise asks for.\n",
        folder.display(),
        count(chosen.exercises.len(), "exercise"),
        left_out.join(", ")
    ));
    Ok(0)
}

/// DIR as an absolute path, to which a folder can be renamed.
fn place(course: &Course, folder: &Path) -> Result<PathBuf, Trouble> {
    let refused = |why: String| Err(Trouble::Refused(format!("{} {why}", folder.display())));
    let whole = match fs::read_dir(folder) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return refused("is not empty: name a folder that does not exist yet".into());
            }
            folder.canonicalize().map_err(Trouble::reading(folder))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = folder.parent().unwrap_or(folder);
            let (Ok(parent), Some(name)) = (parent.canonicalize(), folder.file_name()) else {
                return refused(format!(
                    "cannot be made, because {} does not exist: make that folder first",
                    parent.display()
                ));
            };
            parent.join(name)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return refused("is a file: name a folder that does not exist yet".into());
        }
        Err(error) => return Err(Trouble::reading(folder)(error)),
    };
    let root = course
        .root
        .canonicalize()
        .map_err(Trouble::reading(&course.root))?;
    match whole.strip_prefix(&root).map(|rest| rest.iter().next()) {
        Ok(None) => refused("is the course itself: name a folder outside of the course".into()),
        Ok(Some(first)) if copy::is_part(&first.to_string_lossy()) => {
            refused("lies in a folder of the course: name a folder outside of the course".into())
        }
        _ => Ok(whole),
    }
}
