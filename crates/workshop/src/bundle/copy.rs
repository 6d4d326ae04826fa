//! The files that a bundle copies unchanged.

use std::fs;
use std::path::Path;

use judging::exercise::catalogue::Course;
use judging::trouble::Trouble;

/// Files of the root that students get. License files are added to these.
const FILES: &[&str] = &[
    ".editorconfig",
    ".gitattributes",
    ".gitignore",
    "Cargo.lock",
    "clippy.toml",
    "rust-analyzer.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

/// Folders of the root that students get.
const FOLDERS: &[&str] = &[".cargo", ".devcontainer", "book", "crates"];

/// Entries of the root that are written anew for a bundle.
const MADE: &[&str] = &["Cargo.toml", "README.md", "exercises"];

/// The program that this is part of: only authors and instructors need it.
const WORKSHOP: &str = "crates/workshop";

/// A page of the book with oral questions and their answers.
const INSTRUCTORS: &str = "book/src/instructors.md";

/// Tests of the built book in a browser, with what npm installs for them.
const BOOK_TESTS: &str = "book/tests";

/// Entries that are left out without a note, because nobody expects them in a bundle.
const UNMENTIONED: &[&str] = &[".course", ".git"];

/// Whether the course uses this entry of the root, so that a bundle must not lie in it.
pub(super) fn is_part(name: &str) -> bool {
    FILES.contains(&name)
        || FOLDERS.contains(&name)
        || MADE.contains(&name)
        || name.starts_with("LICENSE")
        || name == "solutions"
}

/// Copies the files and folders of the root, and returns what it left out, as a
/// list for people. It copies only what is known to be for students.
pub(super) fn course(course: &Course, to: &Path) -> Result<Vec<String>, Trouble> {
    let mut left_out = Vec::new();
    for name in names(&course.root)? {
        let from = course.root.join(&name);
        if FOLDERS.contains(&name.as_str()) && from.is_dir() {
            folder(course, &from, &to.join(&name), &mut left_out)?;
        } else if from.is_file() && (FILES.contains(&name.as_str()) || name.starts_with("LICENSE"))
        {
            file(&from, &to.join(&name))?;
        } else if !MADE.contains(&name.as_str())
            && !UNMENTIONED.contains(&name.as_str())
            && !name.starts_with(super::STAGED)
            && !is_made_by_cargo(&from)
        {
            left_out.push(name);
        }
    }
    if course.root.join(INSTRUCTORS).is_file() {
        left_out.push(INSTRUCTORS.to_owned());
    }
    if course.root.join(WORKSHOP).is_dir() {
        left_out.push(format!("{WORKSHOP} (the authors' tools)"));
    }
    if course.root.join(BOOK_TESTS).is_dir() {
        left_out.push(BOOK_TESTS.to_owned());
    }
    left_out.push("the crates' own tests".to_owned());
    Ok(left_out)
}

fn folder(
    course: &Course,
    from: &Path,
    to: &Path,
    left_out: &mut Vec<String>,
) -> Result<(), Trouble> {
    fs::create_dir_all(to).map_err(Trouble::writing(to))?;
    for name in names(from)? {
        let path = from.join(&name);
        let to = to.join(&name);
        if path.is_symlink() {
            left_out.push(format!("{} (a link)", course.short(&path).display()));
        } else if path.is_dir() {
            if !is_made_by_cargo(&path)
                && !is_test_of_a_crate(course, &path)
                && ![WORKSHOP, BOOK_TESTS]
                    .map(Path::new)
                    .contains(&course.short(&path))
            {
                folder(course, &path, &to, left_out)?;
            }
        } else if !name.starts_with('.')
            && !name.ends_with('~')
            && course.short(&path) != Path::new(INSTRUCTORS)
        {
            file(&path, &to)?;
        }
    }
    Ok(())
}

/// Whether this is the folder `tests` of a crate, which contains right and wrong answers.
fn is_test_of_a_crate(course: &Course, path: &Path) -> bool {
    course.short(path).starts_with("crates")
        && path.ends_with("tests")
        && path.with_file_name("Cargo.toml").is_file()
}

/// Whether cargo made this folder. Cargo puts a tag file into its target
/// folders, by which backup programs know what to leave out.
fn is_made_by_cargo(folder: &Path) -> bool {
    folder.join("CACHEDIR.TAG").is_file() || folder.ends_with("target")
}

/// Copies a file with its modification time. If a bundle is made again, cargo
/// then sees that an unchanged file is unchanged.
fn file(from: &Path, to: &Path) -> Result<(), Trouble> {
    let unreadable = Trouble::reading(from);
    let modified = match fs::metadata(from).and_then(|of| of.modified()) {
        Ok(modified) => modified,
        Err(error) => return Err(unreadable(error)),
    };
    let mut source = fs::File::open(from).map_err(unreadable)?;
    let copied = fs::File::create(to).and_then(|mut copy| {
        std::io::copy(&mut source, &mut copy)?;
        copy.set_permissions(source.metadata()?.permissions())?;
        copy.set_modified(modified)
    });
    copied.map_err(Trouble::writing(to))
}

fn names(folder: &Path) -> Result<Vec<String>, Trouble> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Trouble::reading(folder))? {
        let name = entry.map_err(Trouble::reading(folder))?.file_name();
        names.push(name.into_string().map_err(|name| {
            Trouble::Refused(format!(
                "the name of {} is not UTF-8 text: rename it",
                folder.join(name).display()
            ))
        })?);
    }
    names.sort();
    Ok(names)
}
