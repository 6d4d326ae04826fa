//! Notices when the course's own crates have changed since they were built.
//!
//! Cargo compares modification times. If a crate of the course is copied here
//! with its old times (`rsync -a`, tar, a restored backup), it can be older
//! than what cargo built from its previous version, and cargo would go on using
//! that. So this module compares the contents, and makes cargo forget what it
//! built from a crate that has changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::exercise::catalogue::Course;
use crate::files::{self, fingerprint};
use crate::trouble::Trouble;

/// What this module saw when it last compared the crates.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    /// For each crate, a hash of the paths, sizes, inodes and times of its
    /// files. One of these times is that of the last change of the inode: the
    /// kernel sets it, so no copy of a file keeps it.
    looks: BTreeMap<String, String>,
    /// For each crate, a hash of the contents of its files.
    contents: BTreeMap<String, String>,
}

/// Returns a hash of the course's crates as they are now. Before that, it makes
/// cargo forget what it built from other contents.
///
/// # Errors
/// A crate cannot be read.
pub fn of_the_crates(course: &Course, target: &Path) -> Result<String, Trouble> {
    let crates = course.root.join("crates");
    if !crates.is_dir() {
        return Ok(String::new());
    }
    let packages = packages(&crates)?;
    let looks = looks(&packages);
    let place = target.join("course/crates.json");
    let seen: Seen = files::text(&place)
        .ok()
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    if seen.looks == looks {
        return Ok(fingerprint(&format!("{:?}", seen.contents)));
    }
    let contents = contents(&packages)?;
    for (name, look) in &looks {
        // This includes a crate whose contents are the same as before: cargo
        // may have built other contents that were there in between.
        if seen.looks.get(name).is_some_and(|old| old != look) {
            forget(target, name);
        }
    }
    let now = Seen { looks, contents };
    files::write(&place, serde_json::to_string(&now).unwrap_or_default())?;
    Ok(fingerprint(&format!("{:?}", now.contents)))
}

/// A package below `crates/`.
struct Package {
    name: String,
    folder: PathBuf,
    /// Its manifest and its sources, sorted.
    files: Vec<PathBuf>,
}

/// All packages below a folder: a crate may lie in the folder of another one.
fn packages(folder: &Path) -> Result<Vec<Package>, Trouble> {
    /// Folders that hold no part of a crate that an exercise is built with.
    const OTHERS: [&str; 4] = ["src", "target", "tests", "fixtures"];
    let mut found = Vec::new();
    let manifest = folder.join("Cargo.toml");
    if manifest.is_file() {
        let mut files = files::below(&folder.join("src")).unwrap_or_default();
        files.insert(0, manifest);
        found.push(Package {
            name: name_of(folder, &files[0]),
            folder: folder.to_owned(),
            files,
        });
    }
    for entry in fs::read_dir(folder).map_err(Trouble::reading(folder))? {
        let path = entry.map_err(Trouble::reading(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && !OTHERS.contains(&&*name) {
            found.extend(packages(&path)?);
        }
    }
    Ok(found)
}

/// The package's name, by which cargo keeps what it built; the folder's where
/// the manifest does not tell.
fn name_of(folder: &Path, manifest: &Path) -> String {
    let text = fs::read_to_string(manifest).unwrap_or_default();
    let table: Table = text.parse().unwrap_or_default();
    let name = table.get("package").and_then(|package| package.get("name"));
    match name.and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => {
            let name = folder.file_name().unwrap_or_default();
            name.to_string_lossy().into_owned()
        }
    }
}

fn looks(packages: &[Package]) -> BTreeMap<String, String> {
    let look = |path: &Path| {
        fs::metadata(path).map_or_else(
            |_| Vec::new(),
            |data| {
                let (size, inode) = (data.len(), data.ino());
                let (made, nanos) = (data.mtime(), data.mtime_nsec());
                let (changed, more) = (data.ctime(), data.ctime_nsec());
                format!("{size} {inode} {made}.{nanos} {changed}.{more}").into_bytes()
            },
        )
    };
    hashes(packages, |path| Ok(look(path))).unwrap_or_default()
}

fn contents(packages: &[Package]) -> Result<BTreeMap<String, String>, Trouble> {
    hashes(packages, |path| {
        fs::read(path).map_err(Trouble::reading(path))
    })
}

/// For each package, a hash over what `of` returns for each of its files.
fn hashes(
    packages: &[Package],
    of: impl Fn(&Path) -> Result<Vec<u8>, Trouble>,
) -> Result<BTreeMap<String, String>, Trouble> {
    let hash = |package: &Package| {
        let mut text = String::new();
        for path in &package.files {
            let short = path.strip_prefix(&package.folder).unwrap_or(path);
            text.push_str(&short.display().to_string());
            text.push('\0');
            text.push_str(&String::from_utf8_lossy(&of(path)?));
            text.push('\0');
        }
        Ok((package.name.clone(), fingerprint(&text)))
    };
    packages.iter().map(hash).collect()
}

/// Removes cargo's records of what it built from a crate, so that cargo builds
/// the crate again.
fn forget(target: &Path, name: &str) {
    // `target/PROFILE`, or `target/TRIPLE/PROFILE`.
    let within = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let profiles = within(target);
    let deeper: Vec<_> = profiles.iter().flat_map(|folder| within(folder)).collect();
    for notes in profiles
        .iter()
        .chain(&deeper)
        .map(|folder| folder.join(".fingerprint"))
    {
        let Ok(entries) = fs::read_dir(notes) else {
            continue;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let is_of_it = file
                .rsplit_once('-')
                .is_some_and(|(package, _)| package == name);
            if is_of_it {
                // If this fails, cargo compares times as usual.
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_of_a_changed_crate_is_forgotten_however_old_its_files_look() {
        let root = tempfile::tempdir().unwrap();
        let course = Course {
            root: root.path().to_owned(),
            exercises: Vec::new(),
        };
        let target = root.path().join("target");
        let source = root.path().join("crates/proctor/src/lib.rs");
        let notes = target.join("debug/.fingerprint");
        files::write(&root.path().join("crates/proctor/Cargo.toml"), "").unwrap();
        files::write(&source, "// one").unwrap();
        let made = || {
            for name in ["proctor-0123", "proctor-macros-0123", "serde-0123"] {
                fs::create_dir_all(notes.join(name)).unwrap();
            }
        };
        let look = || of_the_crates(&course, &target).unwrap();

        made();
        let one = look();
        assert_eq!(look(), one);
        assert!(notes.join("proctor-0123").exists());

        files::write(&source, "// two").unwrap();
        let old = fs::File::options().write(true).open(&source).unwrap();
        old.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_ne!(look(), one);
        assert!(!notes.join("proctor-0123").exists());
        assert!(notes.join("proctor-macros-0123").exists());
        assert!(notes.join("serde-0123").exists());

        made();
        files::write(&source, "// one").unwrap();
        assert_eq!(look(), one);
        assert!(!notes.join("proctor-0123").exists());

        // A package in the folder of another one, under a name of its own.
        made();
        let inner = root.path().join("crates/proctor/macros");
        files::write(
            &inner.join("Cargo.toml"),
            "[package]\nname = \"proctor-macros\"\n",
        )
        .unwrap();
        files::write(&inner.join("src/lib.rs"), "// one").unwrap();
        let two = look();
        files::write(&inner.join("src/lib.rs"), "// two").unwrap();
        assert_ne!(look(), two);
        assert!(!notes.join("proctor-macros-0123").exists());
        assert!(notes.join("proctor-0123").exists());
    }

    #[test]
    fn every_crate_of_the_course_is_looked_at() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let found = packages(&crates).unwrap();
        for name in [
            "proctor",
            "proctor-macros",
            "interleave-model",
            "interleave-core",
        ] {
            let package = found.iter().find(|package| package.name == name);
            let files = &package
                .unwrap_or_else(|| panic!("{name} is not looked at"))
                .files;
            assert!(files.len() > 1, "{name} has no sources: {files:?}");
        }
    }
}
