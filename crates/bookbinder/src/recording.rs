//! Recorded runs: `book/records/NAME.txt`.
//!
//! ```text
//! command: cargo run -q -p sync --example racing_counter
//! varies: \d+ ns
//!
//! what the command printed
//! ```
//!
//! `varies` is a regular expression for what differs from run to run. `exit` is
//! the exit code, if it is not 0.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use regex::Regex;

/// A command and what it printed.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The file.
    pub path: PathBuf,
    /// The command as one types it.
    pub command: String,
    pub(crate) varies: Vec<Regex>,
    pub(crate) exit: i32,
    /// Its standard output.
    pub output: String,
}

impl Recording {
    /// Reads the recording of this name.
    ///
    /// # Errors
    /// There is none, or it is malformed. The text says what to do.
    pub fn read(folder: &Path, name: &str) -> Result<Recording, String> {
        let path = folder.join(format!("{name}.txt"));
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!(
                "there is no recording `{name}`: write the header of book/records/{name}.txt \
                 (`command: …`), and run `cargo course book record {name}`"
            ),
            _ => format!("book/records/{name}.txt cannot be read: {error}"),
        })?;
        Recording::parse(path, &text).map_err(|why| format!("book/records/{name}.txt {why}"))
    }

    fn parse(path: PathBuf, text: &str) -> Result<Recording, String> {
        let (header, output) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let mut recording = Recording {
            path,
            command: String::new(),
            varies: Vec::new(),
            exit: 0,
            output: output.to_owned(),
        };
        for line in header.lines() {
            let (key, value) = line.split_once(": ").unwrap_or((line, ""));
            match key {
                "command" => value.clone_into(&mut recording.command),
                "varies" => recording.varies.push(
                    Regex::new(value)
                        .map_err(|error| format!("has a malformed `varies`: {error}"))?,
                ),
                "exit" => {
                    recording.exit = value
                        .parse()
                        .map_err(|_| "has an `exit` that is no number".to_owned())?;
                }
                _ => {
                    return Err(format!(
                        "has an unknown line `{line}` in its header: it may have `command: `, \
                         `varies: ` and `exit: `, then an empty line"
                    ));
                }
            }
        }
        if recording.command.is_empty() {
            return Err("has no line `command: …`".to_owned());
        }
        Ok(recording)
    }

    /// Runs the command again, and returns its standard output.
    ///
    /// # Errors
    /// It cannot be started, or it ends with another exit code.
    pub fn run(&self, root: &Path) -> Result<String, String> {
        let output = Command::new("sh")
            .args(["-c", &self.command])
            .current_dir(root)
            .env("CARGO_TERM_COLOR", "never")
            .env("NO_COLOR", "1")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("`{}` cannot be started: {error}", self.command))?;
        if output.status.code() != Some(self.exit) {
            return Err(format!(
                "`{}` ended with {} instead of exit code {}:\n{}",
                self.command,
                output.status,
                self.exit,
                String::from_utf8_lossy(&output.stderr).trim_end()
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The first line at which a fresh output differs, apart from what varies.
    #[must_use]
    pub fn difference(&self, fresh: &str) -> Option<String> {
        let (recorded, fresh) = (self.masked(&self.output), self.masked(fresh));
        let mut pairs = recorded.lines().zip(fresh.lines());
        if let Some((old, new)) = pairs.find(|(old, new)| old != new) {
            return Some(format!("`{old}` became `{new}`"));
        }
        let (old, new) = (recorded.lines().count(), fresh.lines().count());
        (old != new).then(|| format!("{old} lines became {new}"))
    }

    /// The text in which everything that varies is one sign. Columns move with
    /// the length of numbers, so any number of spaces counts as one.
    fn masked(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for regex in &self.varies {
            masked = regex.replace_all(&masked, "…").into_owned();
        }
        let lines = masked.trim_end().lines();
        lines
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n")
            .collect()
    }

    /// Writes the recording with this output.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, output: &str) -> io::Result<()> {
        let mut text = format!("command: {}\n", self.command);
        for regex in &self.varies {
            text += &format!("varies: {regex}\n");
        }
        if self.exit != 0 {
            text += &format!("exit: {}\n", self.exit);
        }
        fs::write(&self.path, text + "\n" + output)
    }

    /// The first group of the expression in the output.
    ///
    /// # Errors
    /// The expression is malformed, or matches nothing.
    pub fn value(&self, expression: &str) -> Result<String, String> {
        let regex = Regex::new(expression)
            .map_err(|error| format!("`{expression}` is no regular expression: {error}"))?;
        let found = regex.captures(&self.output).and_then(|found| found.get(1));
        found.map(|group| group.as_str().to_owned()).ok_or_else(|| {
            format!("`{expression}` finds nothing in the output, or it has no group `(…)`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(text: &str) -> Result<Recording, String> {
        Recording::parse(PathBuf::from("x.txt"), text)
    }

    #[test]
    fn what_varies_makes_no_difference_and_everything_else_does() {
        let recording = recording("command: true\nvaries: \\d+ ns\n\na took 5 ns\nb: 7\n").unwrap();
        assert_eq!(recording.difference("a took 17 ns\nb: 7\n"), None);
        let found = recording.difference("a took 17 ns\nb: 8\n").unwrap();
        assert_eq!(found, "`b: 7` became `b: 8`");
        assert!(
            recording
                .difference("a took 1 ns\n")
                .unwrap()
                .contains("2 lines became 1")
        );
    }

    #[test]
    fn a_value_is_the_first_group() {
        let recording = recording("command: true\n\nforks: 12, threads: 3\n").unwrap();
        assert_eq!(recording.value(r"threads: (\d+)").unwrap(), "3");
        recording.value(r"fibers: (\d+)").unwrap_err();
        recording.value(r"threads").unwrap_err();
        recording.value(r"(").unwrap_err();
    }

    #[test]
    fn a_header_is_checked() {
        for (text, part) in [
            ("varies: x\n\n", "no line `command"),
            ("command: x\nvaries: (\n\n", "malformed `varies`"),
            ("command: x\nexit: one\n\n", "no number"),
            ("command: x\nwhat: y\n\n", "unknown line `what: y`"),
        ] {
            let why = recording(text).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }

    #[test]
    fn the_command_runs_in_the_root_and_its_exit_code_counts() {
        let folder = tempfile::tempdir().unwrap();
        let recording = recording("command: echo hello; exit 3\nexit: 3\n\nhello\n").unwrap();
        let fresh = recording.run(folder.path()).unwrap();
        assert_eq!(recording.difference(&fresh), None);
        let wrong = Recording {
            exit: 0,
            ..recording
        };
        assert!(
            wrong
                .run(folder.path())
                .unwrap_err()
                .contains("instead of exit code 0")
        );
    }
}
