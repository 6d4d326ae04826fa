//! A folder for the temporary files of one subject.
//!
//! The environment variable `TMPDIR` names it to the subject. So programs that
//! ask for the folder for temporary files (`std::env::temp_dir`, mktemp) make
//! their files in it, and the warden can name and remove whatever they leave
//! there.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use processes::Pid;

pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// The folder for the subject of the warden with this number. Its name is
    /// short: the address of a Unix socket has room for 107 bytes.
    pub(crate) fn of(warden: u32) -> Self {
        TemporaryFolder(std::env::temp_dir().join(format!("proctor-{warden}")))
    }

    /// Makes it new and empty; `None` if that is impossible.
    pub(crate) fn made(self) -> Option<Self> {
        self.remove();
        let made = fs::DirBuilder::new().mode(0o700).create(&self.0);
        made.is_ok().then_some(self)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The names of what is in it.
    pub(crate) fn entries(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .take(MANY)
            .collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How many names are listed: enough to see what was left.
const MANY: usize = 100;

/// Ends everything below this process, as [`processes::end_descendants`] does,
/// and removes the folders of the wardens that it killed before they could do
/// so.
pub fn end_descendants(deadline: Instant) {
    let ended = match processes::end_descendants(deadline) {
        Ok(ended) => ended,
        Err(alive) => alive.reaped,
    };
    for (pid, _) in ended {
        remove_temporary_folder(pid);
    }
}

/// Removes the folder of a process that has ended, if that was a warden that
/// could not do so itself.
pub fn remove_temporary_folder(warden: Pid) {
    TemporaryFolder::of(warden.cast_unsigned()).remove();
}
