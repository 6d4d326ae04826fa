//! The root's manifest, its README and the book, changed so that they are true of a bundle.

use std::fs;
use std::path::{Path, PathBuf};

use judging::exercise::catalogue::Course;
use judging::files;
use judging::trouble::Trouble;
use toml_edit::{DocumentMut, Item, TomlError};

/// Lines of the README and of the book that contain this comment are left out of
/// bundles. A rendered page does not show it.
const MARK: &str = "<!-- not for students -->";

/// The same mark in a TOML file.
const TOML_MARK: &str = "# not for students";

/// Commands that a bundle has no use for.
const COMMANDS: [&str; 5] = ["answers", "bundle", "new", "solution", "verify"];

/// Writes the root's manifest without the members that a bundle does not have.
/// Cargo rejects a member pattern that matches nothing.
pub(super) fn manifest(course: &Course, to: &Path) -> Result<(), Trouble> {
    let path = course.root.join("Cargo.toml");
    let text = files::text(&path)?;
    let mut manifest: DocumentMut =
        text.parse()
            .map_err(|error: TomlError| Trouble::Malformed {
                path,
                why: error.to_string(),
            })?;
    for key in ["members", "default-members"] {
        let patterns = manifest
            .get_mut("workspace")
            .and_then(|workspace| workspace.get_mut(key))
            .and_then(Item::as_array_mut);
        if let Some(patterns) = patterns {
            patterns.retain(|pattern| matches(to, pattern.as_str().unwrap_or_default()));
        }
    }
    files::write(&to.join("Cargo.toml"), manifest.to_string())
}

/// Whether `pattern` matches a folder below `root`; `*` stands for a whole name.
fn matches(root: &Path, pattern: &str) -> bool {
    let (first, rest) = pattern.split_once('/').unwrap_or((pattern, ""));
    if first.is_empty() {
        return root.is_dir();
    }
    if first != "*" {
        return matches(&root.join(first), rest);
    }
    fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| matches(&entry.path(), rest))
}

/// Writes the README without the lines that are not for students. Returns a
/// note for each line that still mentions something that a bundle does not
/// have. If there is no README, it does nothing.
pub(super) fn readme(course: &Course, to: &Path) -> Result<Vec<String>, Trouble> {
    let path = course.root.join("README.md");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = files::text(&path)?;
    let mut notes = Vec::new();
    let mut kept = String::with_capacity(text.len());
    let lines = text.split_inclusive('\n').enumerate();
    for (number, line) in lines.filter(|(_, line)| is_for_students(line)) {
        kept.push_str(line);
        let commands = COMMANDS.iter().map(|name| format!("cargo course {name}"));
        let commands = commands.filter(|command| line.contains(command.as_str()));
        let links = links(line).filter(|link| !to.join(link).exists());
        for what in commands.chain(links.map(str::to_owned)) {
            notes.push(format!(
                "README.md:{} mentions `{what}`, which the bundle does not have: add {MARK} to the line to leave it out",
                number + 1
            ));
        }
    }
    files::write(&to.join("README.md"), &kept)?;
    Ok(notes)
}

/// Removes the lines that are not for students from the copy of the book.
pub(super) fn book(to: &Path) -> Result<(), Trouble> {
    let folder = to.join("book");
    let pages: Vec<PathBuf> = fs::read_dir(folder.join("src"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    let settings = folder.join("book.toml");
    for path in pages
        .into_iter()
        .chain([settings])
        .filter(|path| path.is_file())
    {
        let text = files::text(&path)?;
        let kept: String = text
            .split_inclusive('\n')
            .filter(|line| is_for_students(line))
            .collect();
        if kept != text {
            files::write(&path, kept)?;
        }
    }
    Ok(())
}

fn is_for_students(line: &str) -> bool {
    !line.contains(MARK) && !line.contains(TOML_MARK)
}

/// The files that a line links to.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|link| !link.is_empty() && !link.contains("://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_web_and_within_the_page_are_no_files() {
        let line = "see [a](b.md), [c](https://d) and [e](#f), or [g](h/i.rs#j)";
        assert_eq!(links(line).collect::<Vec<_>>(), ["b.md", "h/i.rs"]);
    }
}
