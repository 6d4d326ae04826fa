//! Exercises that are not written yet. `cargo course new` marks every place
//! that the author has to fill in. While one mark is left,
//! `cargo course verify` neither verifies nor blesses the exercise, but lists
//! the places.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::originals;
use judging::files;

/// The text that marks a place. Because of `concat!`, this file does not contain it.
pub const MARK: &str = concat!("FILL ", "IN:");

/// One place to fill in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What to write there: the rest of the line.
    pub what: String,
}

/// The places of an exercise that the author still has to fill in: in its
/// folder, in the folder of its solution, and in its entry of the catalogue. If
/// there are none, the exercise is written.
///
/// A file that cannot be read counts as one without such places. The code that
/// needs the file reports the error.
pub fn places(course: &Course, exercise: &Exercise) -> Vec<Place> {
    let mut found = Vec::new();
    for folder in [exercise.folder(), exercise.solution()] {
        for path in files::below(&folder).unwrap_or_default() {
            let text = fs::read(&path).unwrap_or_default();
            let lines = String::from_utf8_lossy(&text);
            let lines = lines.lines().enumerate();
            found.extend(lines.filter_map(|(index, line)| place(&path, index, line)));
        }
    }
    let path = course.root.join("exercises/course.toml");
    let catalogue = files::text(&path).unwrap_or_default();
    for entry in entries(&catalogue) {
        if entry.id() == Some(exercise.id.as_str()) {
            let lines = entry.text.lines().enumerate();
            found.extend(
                lines.filter_map(|(index, line)| place(&path, entry.first_line + index, line)),
            );
        }
    }
    found
}

/// An exercise that is not written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwritten {
    pub id: String,
    /// The places that the author still has to fill in.
    pub places: Vec<Place>,
}

/// The exercises that are not written yet: they have places to fill in, and
/// were never blessed. (A blessed exercise with such a place is not unwritten
/// but broken.)
pub fn unwritten(course: &Course) -> Vec<Unwritten> {
    course
        .exercises
        .iter()
        .filter(|exercise| !originals::path(exercise).exists())
        .map(|exercise| Unwritten {
            id: exercise.id.clone(),
            places: places(course, exercise),
        })
        .filter(|exercise| !exercise.places.is_empty())
        .collect()
}

impl fmt::Display for Unwritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = match self.places.len() {
            1 => "1 place".to_owned(),
            many => format!("{many} places"),
        };
        write!(f, "{}: not yet written ({number} to fill in)", self.id)
    }
}

fn place(path: &Path, index: usize, line: &str) -> Option<Place> {
    let (_, what) = line.split_once(MARK)?;
    // Drop what only ends a string, a row of a table, or emphasized words.
    let what = what
        .trim_end_matches("\")")
        .trim_end_matches(['"', '|', '*', ' ']);
    Some(Place {
        path: path.to_owned(),
        line: index + 1,
        what: what.trim().to_owned(),
    })
}

/// One `[[exercise]]` of a catalogue as it is written, comments included.
#[derive(Clone, Copy, Debug)]
struct Entry<'a> {
    /// From `[[exercise]]` to the next one.
    text: &'a str,
    /// The line of the catalogue on which it begins, counted from 0.
    first_line: usize,
}

impl Entry<'_> {
    /// What its `id = "…"` says.
    fn id(&self) -> Option<&str> {
        self.text.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            let value = value.trim().strip_prefix('"')?;
            (key.trim() == "id").then(|| value.split('"').next())?
        })
    }
}

/// The entries of a catalogue, in their order. A parser of TOML would lose the
/// comments behind an entry's last key, and a comment can hold a mark.
fn entries(catalogue: &str) -> Vec<Entry<'_>> {
    let mut starts: Vec<(usize, usize)> = Vec::new();
    let mut offset = 0;
    for (number, line) in catalogue.split_inclusive('\n').enumerate() {
        if line.trim_end() == "[[exercise]]" {
            starts.push((offset, number));
        }
        offset += line.len();
    }
    let ends = starts.iter().skip(1).map(|(start, _)| *start);
    let ends = ends.chain([catalogue.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(&(start, first_line), end)| Entry {
            text: &catalogue[start..end],
            first_line,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_falls_into_its_entries() {
        let text =
            "# head\n\n[[exercise]]\nid = \"a\"\n\n[[exercise]]\n# id = \"x\"\nid=\"b\" # c\n";
        let found = entries(text);
        let ids: Vec<_> = found.iter().map(Entry::id).collect();
        assert_eq!(ids, [Some("a"), Some("b")]);
        assert_eq!(found[1].first_line, 5);
        assert_eq!(found[1].text.lines().count(), 3);
    }

    #[test]
    fn a_mark_says_what_and_where() {
        let line = format!("title = \"{MARK} a title\"");
        let place = place("x.toml".as_ref(), 6, &line).unwrap();
        assert_eq!((place.line, place.what.as_str()), (7, "a title"));
    }
}
