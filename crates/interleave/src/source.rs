//! Lines of source files, for timelines. A file that cannot be read has no lines: a timeline
//! without source text is better than no timeline.

use std::collections::HashMap;
use std::path::PathBuf;

/// Files that have been read.
#[derive(Default)]
pub(crate) struct Sources {
    files: HashMap<String, Vec<String>>,
}

impl Sources {
    /// Line `line`, counted from 1, without the white space around it.
    pub(crate) fn line(&mut self, file: &str, line: u32) -> String {
        let lines = self
            .files
            .entry(file.to_owned())
            .or_insert_with(|| read(file));
        usize::try_from(line)
            .ok()
            .and_then(|line| lines.get(line.checked_sub(1)?))
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    }
}

/// The compiler was given the path relative to the workspace; a test runs in its package's folder.
fn read(file: &str) -> Vec<String> {
    let here = std::env::current_dir().unwrap_or_default();
    let candidates = std::iter::once(PathBuf::from(file))
        .chain(here.ancestors().map(|folder| folder.join(file)));
    for path in candidates {
        if let Ok(text) = std::fs::read_to_string(path) {
            return text.lines().map(str::to_owned).collect();
        }
    }
    Vec::new()
}
