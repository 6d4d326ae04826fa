//! A workspace beside the learner's, in which other sources stand in place of
//! an exercise's `src/lib.rs`.
//!
//! ```text
//! target/course/
//!   lock                     held while one command builds
//!   build/                   what cargo makes, shared by all workspaces here
//!   source/  verify/         a workspace each
//!     Cargo.toml             the root's, with other members
//!     Cargo.lock             a copy
//!     NAME/Cargo.toml        the exercise's, renamed; its tests by path
//!     NAME/src/lib.rs        the source to judge
//!     NAME/worlds/*/         likewise
//! ```
//!
//! The learner's folder is read, never written.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use toml::{Table, Value};

use crate::catalogue::{Course, Exercise, worlds_in};
use crate::files;
use crate::trouble::Trouble;

/// The workspace, while this process alone may build in it.
#[derive(Debug)]
pub struct Scratch<'a> {
    course: &'a Course,
    /// The workspace's root.
    pub folder: PathBuf,
    /// What cargo makes goes here.
    pub target: PathBuf,
    members: Vec<String>,
    _lock: Flock<File>,
}

/// One package in it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The package's name.
    pub name: String,
    /// Its manifest.
    pub manifest: PathBuf,
    /// The manifests of its worlds.
    pub worlds: Vec<PathBuf>,
    /// Its source as the compiler will name it.
    pub source: String,
}

/// `target/course`, wherever the target folder is.
pub fn folder_of(course: &Course) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| course.root.join("target"), |dir| course.root.join(dir))
        .join("course")
}

impl<'a> Scratch<'a> {
    /// Opens the workspace of this name, empty; waits for another command that
    /// builds in one.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(course: &'a Course, name: &str) -> Result<Self, Trouble> {
        let base = folder_of(course);
        fs::create_dir_all(base.join(name)).map_err(Trouble::writing(&base))?;
        // As cargo will name it, without `..` and symbolic links.
        let base = base.canonicalize().map_err(Trouble::reading(&base))?;
        let folder = base.join(name);
        let path = base.join("lock");
        let lock = File::create(&path).map_err(Trouble::writing(&path))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusive)
            .map_err(|(_, errno)| Trouble::writing(&path)(errno.into()))?;
        Ok(Scratch {
            course,
            folder,
            target: base.join("build"),
            members: Vec::new(),
            _lock: lock,
        })
    }

    /// Adds a package `name` that is `exercise` with another source.
    ///
    /// # Errors
    /// A manifest of the exercise that cannot be read, or a file that cannot
    /// be written.
    pub fn add(
        &mut self,
        exercise: &Exercise,
        name: &str,
        folder: &str,
        source: &str,
    ) -> Result<Candidate, Trouble> {
        let given = exercise.folder();
        let package = self.folder.join(folder);
        let rename = Rename {
            from: &exercise.id,
            to: name,
        };
        let manifest = package.join("Cargo.toml");
        let table = rename.manifest(&given.join("Cargo.toml"))?;
        files::write_if_changed(&manifest, &table.to_string())?;
        files::write_if_changed(&package.join("src/lib.rs"), source)?;
        self.members.push(folder.to_owned());
        let mut worlds = Vec::new();
        for world in worlds_in(&given) {
            let short = world.strip_prefix(&given).unwrap_or(&world);
            let path = package.join(short);
            files::write_if_changed(&path, &rename.manifest(&world)?.to_string())?;
            worlds.push(path);
            let member = Path::new(folder).join(short);
            if let Some(member) = member.parent() {
                self.members.push(member.display().to_string());
            }
        }
        Ok(Candidate {
            name: name.to_owned(),
            manifest,
            worlds,
            source: format!("{folder}/src/lib.rs"),
        })
    }

    /// Writes the workspace's own files; before building.
    ///
    /// # Errors
    /// The root's manifest cannot be read, or a file cannot be written.
    pub fn finish(&self) -> Result<(), Trouble> {
        let root = &self.course.root;
        let path = root.join("Cargo.toml");
        let mut table = parse(&path)?;
        let members = self.members.iter().cloned().map(Value::String).collect();
        if let Some(Value::Table(workspace)) = table.get_mut("workspace") {
            workspace.remove("default-members");
            workspace.insert("members".into(), Value::Array(members));
            if let Some(Value::Table(dependencies)) = workspace.get_mut("dependencies") {
                make_absolute(dependencies, root, &[]);
            }
        }
        without_debug_information(&mut table);
        files::write_if_changed(&self.folder.join("Cargo.toml"), &table.to_string())?;
        let lock = root.join("Cargo.lock");
        if lock.exists() {
            files::write(&self.folder.join("Cargo.lock"), &files::text(&lock)?)?;
        }
        Ok(())
    }

    /// Removes the folders of packages that are not members any more.
    pub fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for path in entries.flatten().map(|entry| entry.path()) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() && !self.members.iter().any(|member| *member == name) {
                // What is left behind costs disk space, nothing else.
                let _ = fs::remove_dir_all(&path);
            }
        }
    }
}

/// Nobody looks into these programs with a debugger, and there are many.
fn without_debug_information(manifest: &mut Table) {
    if let Some(Value::Table(profile)) = manifest.get_mut("profile")
        && let Some(Value::Table(dev)) = profile.get_mut("dev")
    {
        dev.insert("debug".into(), Value::Boolean(false));
        dev.insert("incremental".into(), Value::Boolean(false));
    }
}

struct Rename<'a> {
    from: &'a str,
    to: &'a str,
}

impl Rename<'_> {
    /// A manifest of the exercise or of one of its worlds, as it must be here.
    fn manifest(&self, path: &Path) -> Result<Table, Trouble> {
        let mut table = parse(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        if let Some(Value::Table(package)) = table.get_mut("package") {
            self.value(package, "name");
        }
        if let Some(Value::Array(tests)) = table.get_mut("test") {
            for test in tests.iter_mut().filter_map(Value::as_table_mut) {
                absolute(test, folder);
            }
        }
        for kind in ["dependencies", "dev-dependencies"] {
            let Some(Value::Table(dependencies)) = table.get_mut(kind) else {
                continue;
            };
            make_absolute(dependencies, folder, &["worlds/"]);
            for dependency in dependencies
                .iter_mut()
                .filter_map(|(_, d)| d.as_table_mut())
            {
                self.value(dependency, "package");
            }
        }
        Ok(table)
    }

    /// Renames the value of a key if it is the exercise, or one of its worlds.
    fn value(&self, table: &mut Table, key: &str) {
        if let Some(Value::String(name)) = table.get_mut(key)
            && let Some(rest) = name.strip_prefix(self.from)
            && (rest.is_empty() || rest.starts_with('-'))
        {
            *name = format!("{}{rest}", self.to);
        }
    }
}

/// Makes the paths of dependencies absolute, but for those that begin so.
fn make_absolute(dependencies: &mut Table, folder: &Path, but: &[&str]) {
    for dependency in dependencies
        .iter_mut()
        .filter_map(|(_, d)| d.as_table_mut())
    {
        let stays = dependency
            .get("path")
            .and_then(Value::as_str)
            .is_some_and(|path| but.iter().any(|start| path.starts_with(start)));
        if !stays {
            absolute(dependency, folder);
        }
    }
}

fn absolute(table: &mut Table, folder: &Path) {
    if let Some(Value::String(path)) = table.get_mut("path") {
        let whole = folder.join(&*path);
        *path = whole.canonicalize().unwrap_or(whole).display().to_string();
    }
}

fn parse(path: &Path) -> Result<Table, Trouble> {
    files::text(path)?
        .parse()
        .map_err(|error: toml::de::Error| Trouble::Malformed {
            path: path.to_owned(),
            why: error.to_string(),
        })
}
