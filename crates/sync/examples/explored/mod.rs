//! What the exploring examples have in common: an explorer, and how they print what it found.
#![allow(dead_code, reason = "no example uses everything here")]

use interleave::{Exploration, Explore, Step};
use serde_json::{Value, json};

/// Returns an explorer for which every step of these programs is a step of the code under test.
pub(crate) fn explorer() -> Explore {
    Explore::new().scenario_file("").executions(20_000)
}

/// Prints one line about a program: whether some schedule fails.
pub(crate) fn verdict(what: &str, found: &Exploration) {
    println!("{what}");
    if let Some(reason) = &found.not_judged {
        println!("  · not judged: {reason}");
    } else if let Some(failure) = &found.failure {
        let message = failure.message.lines().next().unwrap_or_default();
        // A comma is a good place to break a line that is too long.
        let lines = message
            .replace(", and", ",\n    and")
            .replace(", thread", ",\n    thread");
        println!("  ✗ {lines}");
    } else {
        println!("  ✓ no failure in {}", found.coverage());
    }
}

/// Prints what the threads did in the run that failed, one column for each thread.
pub(crate) fn timeline(found: &Exploration) {
    if let Some(failure) = &found.failure {
        for line in failure.timeline.picture(98).lines() {
            println!("{}", line.trim_end());
        }
    }
}

/// What one step looks like in a picture: its label, its look, and whether it lasts until the next
/// step of the same thread.
pub(crate) struct Span {
    pub(crate) label: String,
    pub(crate) look: &'static str,
    pub(crate) lasts: bool,
}

/// The first `steps` steps of the run that failed, as a lane for each thread. `span` leaves out a
/// step by returning `None`.
pub(crate) fn lanes(
    found: &Exploration,
    names: &[&str],
    steps: usize,
    span: impl Fn(&Step) -> Option<Span>,
) -> Value {
    let failure = found.failure.as_ref().expect("the exploration fails");
    let all = failure.timeline.steps.iter();
    let shown: Vec<_> = all
        .filter_map(|step| Some((step.thread, span(step)?)))
        .take(steps)
        .collect();
    let lanes: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(thread, name)| {
            let own: Vec<_> = shown
                .iter()
                .enumerate()
                .filter(|(_, of)| of.0 == thread)
                .collect();
            let spans: Vec<_> = own
                .iter()
                .enumerate()
                .map(|(number, (at, (_, span)))| {
                    let next = own.get(number + 1).map_or(shown.len(), |(next, _)| *next);
                    let to = if span.lasts { next } else { at + 1 };
                    json!({"from": at, "to": to, "label": span.label, "look": span.look})
                })
                .collect();
            json!({"name": name, "spans": spans})
        })
        .collect();
    json!({"kind": "lanes", "axis": "steps", "lanes": lanes, "arrows": []})
}
