//! What the threads of one run did, in order, and how a person reads it.
//!
//! Time runs down, and each thread has a column:
//!
//! ```text
//!                  │ a (main)                            │ b
//! src/lib.rs:9     │                                     │ self.0.store(self.0.load(SeqCst) + 1 …
//!                  │                                     │   load → 0
//! src/lib.rs:9     │ self.0.store(self.0.load(SeqCst) +… │
//!                  │   load → 0                          │
//! ```
//!
//! Where the columns would become too narrow, each line names its thread instead.

use std::fmt::{self, Write};
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// One operation of one thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The thread, an index into [`Timeline::threads`].
    pub thread: usize,
    /// Where in the source, such as `src/lib.rs:12`.
    pub place: String,
    /// The text of that line, if the file could be read.
    pub source: String,
    /// The operation, such as `AtomicBool #1 swap(true, Acquire)`.
    pub operation: String,
    /// Its result, such as `false`; may be empty.
    pub value: String,
    /// Why that is allowed, if it is not what one expects; mostly empty.
    pub note: String,
}

/// What the threads did, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// The threads: letters, with names where they have some.
    pub threads: Vec<String>,
    /// Their operations.
    pub steps: Vec<Step>,
    /// How many operations were left out after the first [`Timeline::FIRST`].
    pub left_out: usize,
    /// Whether the last step is where it failed.
    pub failed: bool,
}

/// The width of a picture where nobody knows the screen's.
const USUAL_COLUMNS: usize = 98;
/// The most that the column of places takes of it.
const WIDEST_MARGIN: usize = 30;
/// A thread's column that is narrower than this cannot be read.
const NARROWEST: usize = 12;

impl Timeline {
    /// How many operations stand before those that are left out.
    pub const FIRST: usize = 10;

    /// How many operations there were.
    pub fn len(&self) -> usize {
        self.steps.len() + self.left_out
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What happened after the first `skipped` operations. Equal operations in
    /// a row are told once.
    pub fn after(&self, skipped: usize) -> Vec<Told<'_>> {
        let (first, rest) = match self.left_out {
            0 => (&self.steps[..], &[][..]),
            _ => self.steps.split_at(Self::FIRST.min(self.steps.len())),
        };
        let mut told = runs(&first[skipped.min(first.len())..]);
        let gap_end = first.len() + self.left_out;
        let left_out = gap_end.saturating_sub(skipped.max(first.len()));
        if left_out > 0 {
            told.push(Told::LeftOut(left_out));
        }
        let skipped = skipped.saturating_sub(gap_end).min(rest.len());
        told.extend(runs(&rest[skipped..]));
        told
    }

    /// The picture, at most `columns` characters wide (but at least 40).
    pub fn picture(&self, columns: usize) -> String {
        let mut picture = Picture::new(self, columns.max(40));
        picture.draw();
        picture.text
    }
}

/// The picture for a screen of a hundred columns.
impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.picture(USUAL_COLUMNS))
    }
}

/// A part of what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// An operation, and how often it was done in a row.
    Step(&'a Step, usize),
    /// The number of operations that the timeline leaves out here.
    LeftOut(usize),
}

/// The longest circle that is looked for, and the fewest turns of it that are
/// drawn as one.
const LONGEST: usize = 24;
const TURNS: usize = 3;

/// How many steps at the beginning are a circle, and how often they are done in
/// a row: one step, once, if they do not repeat.
fn circle(steps: &[Step]) -> (usize, usize) {
    let turns = |length: usize| {
        let (first, rest) = steps.split_at(length);
        1 + rest
            .chunks_exact(length)
            .take_while(|next| *next == first)
            .count()
    };
    let lengths = 1..=LONGEST.min(steps.len() / TURNS);
    lengths
        .map(|length| (length, turns(length)))
        .find(|(_, times)| *times >= TURNS)
        .unwrap_or((1, 1))
}

fn runs(steps: &[Step]) -> Vec<Told<'_>> {
    let runs = steps.chunk_by(|one, next| one == next);
    runs.map(|run| Told::Step(&run[0], run.len())).collect()
}

impl Step {
    /// The operation with its result, and how often it was done.
    pub fn told(&self, times: usize) -> String {
        let mut text = self.operation.clone();
        if !self.value.is_empty() {
            let _ = write!(text, " → {}", self.value);
        }
        if !self.note.is_empty() {
            let _ = write!(text, ": {}", self.note);
        }
        if times > 1 {
            let _ = write!(text, " ({times} times)");
        }
        text
    }
}

/// A timeline that is being drawn.
struct Picture<'a> {
    of: &'a Timeline,
    /// The width of the column of places.
    margin: usize,
    /// The width of a thread's column; none if they would be too narrow.
    width: Option<usize>,
    /// The width of a line without columns.
    whole: usize,
    text: String,
}

impl<'a> Picture<'a> {
    fn new(of: &'a Timeline, columns: usize) -> Self {
        let places = of.steps.iter().map(|step| step.place.chars().count());
        let widest = WIDEST_MARGIN.min(columns / 3);
        let margin = places.max().unwrap_or(0).clamp(13, widest.max(14) - 1) + 1;
        let width = ((columns - margin) / of.threads.len().max(1)).saturating_sub(2);
        Picture {
            of,
            margin,
            width: (width >= NARROWEST).then_some(width),
            whole: columns - margin - 2,
            text: String::new(),
        }
    }

    fn draw(&mut self) {
        let margin = self.margin;
        if let Some(width) = self.width {
            let _ = write!(self.text, "{:margin$}", "");
            for thread in &self.of.threads {
                let _ = write!(self.text, "│ {:width$}", fit(thread, width));
            }
        }
        let all = &self.of.steps;
        let gap = match self.of.left_out {
            0 => all.len(),
            _ => Timeline::FIRST.min(all.len()),
        };
        self.circles(0..gap);
        if self.of.left_out > 0 {
            let left_out = self.of.left_out;
            let _ = write!(self.text, "\n{:margin$}… {left_out} steps left out …", "");
            self.circles(gap..all.len());
        }
        // Without columns there is no heading before the first row.
        if self.text.starts_with('\n') {
            self.text.remove(0);
        }
    }

    /// Draws these steps. What is done several times in a row is drawn once.
    fn circles(&mut self, range: Range<usize>) {
        let margin = self.margin;
        let mut last: Option<(&str, usize)> = None;
        let mut begin = range.start;
        while begin < range.end {
            let (length, times) = circle(&self.of.steps[begin..range.end]);
            let next = begin + length * times;
            for number in begin..begin + length {
                let step = &self.of.steps[number];
                let here = (step.place.as_str(), step.thread);
                if last != Some(here) {
                    let text = match step.source.as_str() {
                        "" => "·",
                        source => source,
                    };
                    self.row(&step.place, step.thread, text);
                }
                last = Some(here);
                let is_last = next == self.of.steps.len() && number + 1 == begin + length;
                let text = format!("  {}", step.told(1));
                for (part, line) in wrap(&text, self.room()).into_iter().enumerate() {
                    let mark = part == 0 && self.of.failed && is_last;
                    let place = if mark { "      ✗ here" } else { "" };
                    self.row(place, step.thread, &line);
                }
            }
            if times > 1 {
                let what = match length {
                    1 => "this step".to_owned(),
                    several => format!("these {several} steps"),
                };
                let _ = write!(
                    self.text,
                    "\n{:margin$}↻ {what}, {times} times in a row",
                    ""
                );
                last = None;
            }
            begin = next;
        }
    }

    /// The characters that one row has for its text.
    fn room(&self) -> usize {
        self.width.unwrap_or(self.whole - self.widest_name() - 2)
    }

    fn widest_name(&self) -> usize {
        let names = self.of.threads.iter().map(|name| letter(name).len());
        names.max().unwrap_or(0)
    }

    fn row(&mut self, place: &str, thread: usize, text: &str) {
        let margin = self.margin;
        let mut line = format!("{:margin$}", fit(place, margin - 1));
        match self.width {
            Some(width) => {
                for column in 0..self.of.threads.len().max(1) {
                    let text = match column == thread {
                        true => fit(text, width),
                        false => String::new(),
                    };
                    let _ = write!(line, "│ {text:width$}");
                }
            }
            None => {
                let name = self.of.threads.get(thread).map_or("?", |name| letter(name));
                let (names, room) = (self.widest_name(), self.room());
                let _ = write!(line, "│ {name:names$}  {}", fit(text, room));
            }
        }
        self.text.push('\n');
        self.text.push_str(line.trim_end());
    }
}

/// A thread's letter, without its name.
fn letter(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

/// At most `width` characters, with an ellipsis if some are missing.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        text.to_owned()
    } else {
        text.chars()
            .take(width.saturating_sub(1))
            .chain(['…'])
            .collect()
    }
}

/// Lines of at most `width` characters, broken at spaces where there are some.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::from("  ");
    for word in text.split_whitespace() {
        if line.trim().is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(std::mem::replace(&mut line, format!("    {word}")));
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(thread: usize, operation: &str) -> Step {
        Step {
            thread,
            place: "src/lib.rs:9".into(),
            source: "flag.swap(true, Acquire)".into(),
            operation: operation.into(),
            value: "false".into(),
            note: String::new(),
        }
    }

    fn timeline(threads: usize) -> Timeline {
        Timeline {
            threads: (0..threads).map(|n| format!("t{n} (name)")).collect(),
            steps: (0..threads).map(|n| step(n, "swap(true)")).collect(),
            left_out: 0,
            failed: true,
        }
    }

    #[test]
    fn each_thread_has_a_column() {
        let picture = timeline(2).picture(80);
        let lines: Vec<&str> = picture.lines().collect();
        assert_eq!(lines[0].matches('│').count(), 2, "{picture}");
        assert!(lines[1].starts_with("src/lib.rs:9"), "{picture}");
        assert!(picture.contains("swap(true) → false"), "{picture}");
        assert!(picture.contains("✗ here"), "{picture}");
    }

    #[test]
    fn a_picture_is_never_wider_than_it_may_be() {
        for threads in [1, 2, 3, 8, 25] {
            for columns in [40, 60, 80, 98, 200] {
                let picture = timeline(threads).picture(columns);
                for line in picture.lines() {
                    let width = line.chars().count();
                    assert!(width <= columns, "{width} > {columns}:\n{picture}");
                }
            }
        }
    }

    #[test]
    fn many_threads_are_named_in_their_lines() {
        let picture = timeline(25).picture(98);
        assert!(picture.contains("│ t24"), "{picture}");
        assert!(!picture.contains("│ t0 (name)"), "{picture}");
    }

    #[test]
    fn a_circle_is_drawn_once() {
        let mut timeline = timeline(2);
        let round = [
            step(0, "swap(true)"),
            step(1, "swap(false)"),
            step(1, "load"),
        ];
        let rounds = |times| {
            std::iter::repeat_n(&round, times)
                .flatten()
                .cloned()
                .collect::<Vec<_>>()
        };
        timeline.steps = [vec![step(0, "begin")], rounds(7), vec![step(1, "end")]].concat();
        let picture = timeline.picture(80);
        assert_eq!(picture.matches("swap(true)").count(), 1, "{picture}");
        assert!(
            picture.contains("↻ these 3 steps, 7 times in a row"),
            "{picture}"
        );
        assert!(
            picture.contains("begin") && picture.contains("end"),
            "{picture}"
        );
        timeline.steps = vec![step(0, "load"); 5];
        timeline.failed = true;
        let picture = timeline.picture(80);
        assert!(
            picture.contains("↻ this step, 5 times in a row"),
            "{picture}"
        );
        assert_eq!(picture.matches("✗ here").count(), 1, "{picture}");
        // Twice is not yet a circle.
        timeline.steps = rounds(2);
        assert!(!timeline.picture(80).contains('↻'));
    }

    #[test]
    fn equal_operations_in_a_row_are_told_once() {
        let mut timeline = timeline(1);
        timeline.steps = vec![step(0, "load"); 3];
        assert_eq!(timeline.after(0), [Told::Step(&timeline.steps[0], 3)]);
        assert_eq!(timeline.after(2), [Told::Step(&timeline.steps[0], 1)]);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut timeline = timeline(1);
        timeline.steps = (0..20).map(|n| step(0, &format!("op {n}"))).collect();
        timeline.left_out = 100;
        assert_eq!(timeline.len(), 120);
        let told = timeline.after(5);
        assert_eq!(told.len(), 5 + 1 + 10);
        assert_eq!(told[5], Told::LeftOut(100));
        assert!(timeline.picture(80).contains("… 100 steps left out …"));
    }
}
