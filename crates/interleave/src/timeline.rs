//! A failing run as a person reads it: time runs down, one column for each thread.
//!
//! ```text
//!                  │ a (main)                            │ b
//! src/lib.rs:9     │                                     │ self.0.store(self.0.load(SeqCst) + 1 …
//!                  │                                     │   load → 0
//! src/lib.rs:9     │ self.0.store(self.0.load(SeqCst) +… │
//!                  │   load → 0                          │
//! ```

use crate::source::Sources;
use interleave_model::kernel::{
    State,
    event::{Event, Returned},
    failure::short_place,
    thread::letter,
};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write as _};

/// One operation of one thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The thread, an index into [`Timeline::threads`].
    pub thread: usize,
    /// Where, as `src/lib.rs:12`.
    pub place: String,
    /// The text of that line, if the file could be read.
    pub source: String,
    /// The operation, as `AtomicBool #1 swap(true, Acquire)`.
    pub operation: String,
    /// What came of it, as `false`; may be empty.
    pub value: String,
}

/// What the threads did, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// The threads: letters, with names where they have some.
    pub threads: Vec<String>,
    /// Their operations.
    pub steps: Vec<Step>,
    /// How many operations were left out after the first few.
    pub left_out: usize,
    /// Whether the last step is where it failed.
    pub failed: bool,
}

/// Operations kept from the beginning and from the end of a long run.
const FIRST: usize = 10;
const LAST: usize = 60;

/// The width of the picture, which is shown indented on a terminal of a hundred
/// columns, and the most that its first column takes of it.
const WIDTH: usize = 98;
const WIDEST_MARGIN: usize = 30;

impl Timeline {
    pub(crate) fn of(state: &State, failed: bool) -> Self {
        let mut sources = Sources::default();
        let threads = (0..state.threads.len())
            .map(|number| name(state, number))
            .collect();
        let log: Vec<_> = state.log.iter().collect();
        let left_out = log.len().saturating_sub(FIRST + LAST);
        let kept = log
            .iter()
            .take(if left_out > 0 { FIRST } else { log.len() })
            .chain(
                log.iter()
                    .skip(FIRST + left_out)
                    .take(if left_out > 0 { LAST } else { 0 }),
            );
        let steps = kept
            .map(|event| Step {
                thread: event.thread,
                place: short_place(event.at),
                source: sources.line(event.at.file(), event.at.line()),
                operation: operation(state, event),
                value: value(state, event),
            })
            .collect();
        Self {
            threads,
            steps,
            left_out,
            failed,
        }
    }
}

/// A thread's letter, and its name if it has one.
pub(crate) fn name(state: &State, number: usize) -> String {
    match &state.threads[number].name {
        Some(name) => format!("{} ({name})", letter(number)),
        None => letter(number),
    }
}

pub(crate) fn operation(state: &State, event: &Event) -> String {
    let mut text = String::new();
    if let Some(id) = event.object {
        text.push_str(&state.object_name(id));
        text.push(' ');
    }
    text.push_str(event.verb);
    let mut arguments: Vec<_> = event
        .arguments
        .iter()
        .flatten()
        .map(|value| show(state, event, *value))
        .collect();
    if let Some(order) = event.order {
        arguments.push(format!("{order:?}"));
    }
    if !arguments.is_empty() {
        let _ = write!(text, "({})", arguments.join(", "));
    }
    text
}

fn value(state: &State, event: &Event) -> String {
    match event.returned {
        Returned::Nothing => String::new(),
        Returned::Value(value) => show(state, event, value),
        Returned::Ok(value) => format!("Ok({})", show(state, event, value)),
        Returned::Err(value) => format!("Err({})", show(state, event, value)),
        Returned::SpuriousErr(value) => {
            format!("Err({}), spuriously", show(state, event, value))
        }
        Returned::Word(word) => word.to_owned(),
    }
}

fn show(state: &State, event: &Event, value: u64) -> String {
    match event.object {
        Some(id) => state.objects[id as usize].kind.show(value),
        None => value.to_string(),
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.threads.len().max(1);
        let margin = self.margin();
        let width = ((WIDTH - margin) / columns).saturating_sub(2).max(8);
        write!(f, "{:margin$}", "")?;
        for thread in &self.threads {
            write!(f, "│ {:width$}", fit(thread, width))?;
        }
        let mut last: Option<(&str, usize)> = None;
        for (number, step) in self.steps.iter().enumerate() {
            if self.left_out > 0 && number == FIRST {
                write!(f, "\n{:margin$}… {} steps left out …", "", self.left_out)?;
                last = None;
            }
            let here = (step.place.as_str(), step.thread);
            if last != Some(here) {
                let text = if step.source.is_empty() {
                    "·"
                } else {
                    &step.source
                };
                self.row(f, &step.place, step.thread, text, width)?;
            }
            last = Some(here);
            let mut text = format!("  {}", step.operation);
            if !step.value.is_empty() {
                let _ = write!(text, " → {}", step.value);
            }
            for (part, line) in wrap(&text, width).into_iter().enumerate() {
                let mark = part == 0 && self.failed && number + 1 == self.steps.len();
                let place = if mark { "      ✗ here" } else { "" };
                self.row(f, place, step.thread, &line, width)?;
            }
        }
        Ok(())
    }
}

impl Timeline {
    /// The width of the first column: room for the longest place, within reason.
    fn margin(&self) -> usize {
        let longest = self.steps.iter().map(|step| step.place.chars().count());
        longest.max().unwrap_or(0).clamp(13, WIDEST_MARGIN - 1) + 1
    }

    fn row(
        &self,
        f: &mut fmt::Formatter<'_>,
        place: &str,
        thread: usize,
        text: &str,
        width: usize,
    ) -> fmt::Result {
        let margin = self.margin();
        let mut line = format!("{:margin$}", fit(place, margin - 1));
        for column in 0..self.threads.len().max(1) {
            let text = if column == thread {
                fit(text, width)
            } else {
                String::new()
            };
            let _ = write!(line, "│ {text:width$}");
        }
        write!(f, "\n{}", line.trim_end())
    }
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
