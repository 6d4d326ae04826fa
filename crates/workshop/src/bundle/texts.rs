//! The root's manifest and README, changed so that they are true of a bundle.

use std::fs;
use std::path::Path;

use judging::exercise::catalogue::Course;
use judging::files;
use judging::trouble::Trouble;
use toml::{Table, Value};

/// Lines of the README that contain this comment are left out of bundles. A
/// rendered page does not show it.
pub(super) const MARK: &str = "<!-- not for students -->";

/// Commands that a bundle has no use for.
const COMMANDS: [&str; 5] = ["answers", "bundle", "new", "solution", "verify"];

/// Writes the root's manifest without the members that a bundle does not have.
/// Cargo rejects a member pattern that matches nothing.
pub(super) fn manifest(course: &Course, to: &Path) -> Result<(), Trouble> {
    let path = course.root.join("Cargo.toml");
    let text = files::text(&path)?;
    let mut table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| Trouble::Malformed {
            path,
            why: error.to_string(),
        })?;
    let mut gone = Vec::new();
    if let Some(Value::Table(workspace)) = table.get_mut("workspace") {
        for key in ["members", "default-members"] {
            if let Some(Value::Array(patterns)) = workspace.get_mut(key) {
                patterns.retain(|pattern| {
                    let pattern = pattern.as_str().unwrap_or_default();
                    let matches = matches(to, pattern);
                    if !matches {
                        gone.push(pattern.to_owned());
                    }
                    matches
                });
            }
        }
    }
    // Prefer the edited text, which keeps the comments, if it has the same meaning.
    let mut edited = text;
    for pattern in gone {
        edited = without(&edited, &format!("\"{pattern}\""));
    }
    if edited.parse::<Table>().ok().as_ref() != Some(&table) {
        edited = table.to_string();
    }
    files::write(&to.join("Cargo.toml"), &edited)
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

/// The text without this string in any list. If the string is alone on a line,
/// the line goes too.
fn without(text: &str, item: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.trim().trim_end_matches(',') == item {
            true => {}
            false => kept.push_str(
                &line
                    .replace(&format!(", {item}"), "")
                    .replace(&format!("{item}, "), ""),
            ),
        }
    }
    kept
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
    for (number, line) in lines.filter(|(_, line)| !line.contains(MARK)) {
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
    fn a_string_goes_with_its_comma_and_its_line() {
        let text = "members = [\n    \"a/*\",\n    \"b/*\",\n]\ndefault = [\"a/*\", \"b/*\"]\n";
        let kept = "members = [\n    \"a/*\",\n]\ndefault = [\"a/*\"]\n";
        assert_eq!(without(text, "\"b/*\""), kept);
        let kept = "members = [\n    \"b/*\",\n]\ndefault = [\"b/*\"]\n";
        assert_eq!(without(text, "\"a/*\""), kept);
    }

    #[test]
    fn links_to_the_web_and_within_the_page_are_no_files() {
        let line = "see [a](b.md), [c](https://d) and [e](#f), or [g](h/i.rs#j)";
        assert_eq!(links(line).collect::<Vec<_>>(), ["b.md", "h/i.rs"]);
    }
}
