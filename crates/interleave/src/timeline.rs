//! From what the kernel logged to a [`Timeline`].

use std::fmt::Write as _;

use interleave_model::kernel::{
    State,
    event::{Event, Returned},
    failure::short_place,
    thread::letter,
};
use records::{Step, Timeline};

use crate::source::Sources;

/// Operations kept from the end of a long run.
const LAST: usize = 60;

/// What happened in a run. `failed` says whether the last step is where it failed.
pub(crate) fn timeline(state: &State, failed: bool) -> Timeline {
    let mut sources = Sources::default();
    let threads = (0..state.threads.len())
        .map(|number| name(state, number))
        .collect();
    let log = &state.log;
    let left_out = log.len().saturating_sub(Timeline::FIRST + LAST);
    let kept = log
        .iter()
        .take(if left_out > 0 {
            Timeline::FIRST
        } else {
            log.len()
        })
        .chain(
            log.iter()
                .skip(Timeline::FIRST + left_out)
                .take(if left_out > 0 { LAST } else { 0 }),
        );
    let steps = kept
        .map(|event| Step {
            thread: event.thread,
            place: short_place(event.at),
            source: sources.line(event.at.file(), event.at.line()),
            operation: operation(state, event),
            value: value(state, event),
            note: note(event),
        })
        .collect();
    Timeline {
        threads,
        steps,
        left_out,
        failed,
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

/// An operation with what it returned.
pub(crate) fn told(state: &State, event: &Event) -> String {
    let mut text = operation(state, event);
    for (sign, part) in [(" → ", value(state, event)), (": ", note(event))] {
        if !part.is_empty() {
            text.push_str(sign);
            text.push_str(&part);
        }
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

/// Why an old value is allowed, or a store that does not become the newest.
fn note(event: &Event) -> String {
    let Some(newer) = event.newer.map(short_place) else {
        return String::new();
    };
    match event.returned {
        Returned::Nothing => format!("it takes effect before the store at {newer}"),
        _ => format!("an old value, since nothing orders this after the store at {newer}"),
    }
}

fn show(state: &State, event: &Event, value: u64) -> String {
    match event.object {
        Some(id) => state.objects[id as usize].kind.show(value),
        None => value.to_string(),
    }
}
