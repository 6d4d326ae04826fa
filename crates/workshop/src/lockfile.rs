//! `Cargo.lock`: reads its packages, and brings it up to date.

use std::path::Path;
use std::process::{Command, Stdio};

use judging::files;
use judging::trouble::Trouble;
use serde::Deserialize;

/// The packages of a lock file.
#[derive(Debug, Default, Deserialize)]
pub struct Lockfile {
    /// The packages, in the order of the file.
    #[serde(default)]
    pub package: Vec<Package>,
}

#[derive(Debug, Deserialize)]
pub struct Package {
    /// Its name. Another version of the same package has the same name.
    pub name: String,
    pub version: String,
    /// Where it comes from. A package of the workspace has no source.
    pub source: Option<String>,
    /// `NAME`, or `NAME VERSION` where that is not enough.
    #[serde(default)]
    pub dependencies: Vec<String>,
}

impl Lockfile {
    /// Reads the lock file of the workspace in `root`. The result is empty if
    /// there is none yet.
    ///
    /// # Errors
    /// The file cannot be read, or is not a lock file.
    pub fn read(root: &Path) -> Result<Lockfile, Trouble> {
        let path = root.join("Cargo.lock");
        if !path.exists() {
            return Ok(Lockfile::default());
        }
        toml::from_str(&files::text(&path)?).map_err(|error| Trouble::Malformed {
            path,
            why: error.to_string(),
        })
    }

    /// The package of this name.
    pub fn package(&self, name: &str) -> Option<&Package> {
        self.package.iter().find(|package| package.name == name)
    }

    /// The first package that depends on this name.
    pub fn dependent(&self, name: &str) -> Option<&Package> {
        let is_named = |entry: &String| entry.split(' ').next() == Some(name);
        self.package
            .iter()
            .find(|package| package.dependencies.iter().any(is_named))
    }
}

/// Brings the lock file of the workspace in `root` up to date with the
/// workspace's members. It changes nothing else in the file, and uses no
/// network.
///
/// # Errors
/// Cargo cannot be started, or it cannot resolve the workspace. The error holds
/// what cargo says.
pub fn refresh(root: &Path) -> Result<(), Trouble> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["update", "--workspace", "--offline", "--quiet"])
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .map_err(Trouble::NoCargo)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Trouble::Build(format!(
        "cargo cannot bring {} up to date:\n{}",
        root.join("Cargo.lock").display(),
        said.trim_end()
    )))
}
