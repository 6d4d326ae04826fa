//! `bundle DIR`, for instructors: the course as students get it.
//!
//! ```text
//! DIR/
//!   Cargo.toml  Cargo.lock  README.md  …   the root's, as far as they concern students
//!   .cargo/  crates/  book/                copies; the crates' own tests are left out,
//!                                          for they hold answers, right and wrong
//!   exercises/                             as they were given (.kept/given), never as
//!                                          somebody has half solved them
//!   exercises/explanations.json            what is known of mistakes, without the mistakes
//! ```
//!
//! By `explanations.json` the command knows that it is in such a copy. All is
//! put together beside DIR and takes its place at the end: whatever fails, DIR
//! is as it was.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

mod copy;
mod exercises;
mod texts;

use self::exercises::Chosen;
use judging::build::lockfile;
use judging::exercise::catalogue::Course;
use judging::terminal::words::count;
use judging::terminal::{complain, say};
use judging::trouble::Trouble;

/// How the folder begins in which a bundle is put together.
const STAGED: &str = ".bundle-";

/// Makes the bundle in `folder`, and says what is not in it.
///
/// # Errors
/// `folder` is there and not empty, or lies in what is to be copied; the
/// course itself is not ready (not blessed, patches that cannot be read);
/// something cannot be read or written. `folder` is then as it was.
pub fn bundle(course: &Course, folder: &Path) -> Result<u8, Trouble> {
    if course.is_bundle() {
        return Err(Trouble::Refused(
            "this is a copy for students already: it can be copied as it is".into(),
        ));
    }
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
    let mut notes = texts::readme(course, staged.path())?;
    lockfile::refresh(staged.path())?;
    fs::rename(staged.path(), &folder).map_err(Trouble::writing(&folder))?;
    // It is not there any more under its first name.
    let _ = staged.keep();

    notes.splice(0..0, chosen.notes);
    notes.iter().for_each(|note| complain(note));
    say(&format!(
        "{} holds the course with {}, for students.\nLeft out: {}.\n\
         The libraries in crates/ are in it, to be read: some do what an exercise asks for.\n",
        folder.display(),
        count(chosen.exercises.len(), "exercise"),
        left_out.join(", ")
    ));
    Ok(0)
}

/// DIR as a path that can be renamed to.
fn place(course: &Course, folder: &Path) -> Result<PathBuf, Trouble> {
    let refused = |why: String| Err(Trouble::Refused(format!("{} {why}", folder.display())));
    let whole = match fs::read_dir(folder) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return refused("is not empty: name a folder that is not there yet".into());
            }
            folder.canonicalize().map_err(Trouble::reading(folder))?
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = folder.parent().unwrap_or(folder);
            let (Ok(parent), Some(name)) = (parent.canonicalize(), folder.file_name()) else {
                return refused(format!("cannot be made: {} is not there", parent.display()));
            };
            parent.join(name)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return refused("is a file: name a folder that is not there yet".into());
        }
        Err(error) => return Err(Trouble::reading(folder)(error)),
    };
    let root = course
        .root
        .canonicalize()
        .map_err(Trouble::reading(&course.root))?;
    match whole.strip_prefix(&root).map(|rest| rest.iter().next()) {
        Ok(None) => refused("is the course itself".into()),
        Ok(Some(first)) if copy::is_part(&first.to_string_lossy()) => {
            refused("lies in what is to be copied: name a folder outside of the course".into())
        }
        _ => Ok(whole),
    }
}
