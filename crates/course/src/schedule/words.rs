//! The words for a position, on a screen and in lines.

use records::position::{End, Thread, ThreadState};

use super::game::{Game, Subject};
use super::position;
use crate::text::{Line, Look};

/// The goal of the game.
pub fn goal(subject: &Subject) -> String {
    let whose = match subject.is_reference {
        true => "the course's solution",
        false => "the code",
    };
    format!("You are the scheduler: find a schedule that breaks {whose}.")
}

/// How many schedules begin with these steps, and how many of them fail, if
/// that is known.
pub fn odds(game: &Game) -> Option<Line> {
    let below = game.now().below?;
    let holds = below.failing == 0;
    let mut words = position::in_words(below);
    if holds && below.complete && game.undoable() == 0 {
        words.push_str(": nothing breaks it");
    } else if holds && below.complete {
        words.push_str(" (u: undo)");
    }
    let look = match (holds, below.complete) {
        (true, true) => Look::Good,
        (true, false) => Look::Plain,
        (false, _) => Look::Bad,
    };
    Some(Line::of(words, look))
}

/// How the schedule ended, if it has. The last line says how to see it again.
pub fn verdict(game: &Game) -> Vec<Line> {
    let mut lines = Vec::new();
    match &game.now().end {
        None => return lines,
        Some(End::NotJudged(reason)) => lines.push(Line::of(format!("? {reason}"), Look::Unsure)),
        Some(End::Held) => {
            let others = game.begin().below.map(position::in_others);
            let words = format!("✓ nothing failed{}", others.unwrap_or_default());
            lines.push(Line::of(words, Look::Good));
        }
        Some(End::Failed { message, at, .. }) => {
            let (mark, look) = if game.is_expected() {
                ("✓ the test expects this end: ", Look::Good)
            } else if is_unwritten(message) {
                ("✗ not written yet: ", Look::Bad)
            } else {
                ("✗ broken: ", Look::Bad)
            };
            let mut parts = message.lines();
            let first = parts.next().unwrap_or_default();
            lines.push(Line::of(format!("{mark}{first}"), look));
            lines.extend(parts.map(Line::plain));
            if let Some(place) = at {
                let place = format!("  at {}:{}", place.file, place.line);
                lines.push(Line::of(place, Look::Faint));
            }
        }
    }
    lines.push(Line::of("  see it again:", Look::Faint));
    lines.push(Line::fixed(format!("    {}", game.replay()), Look::Code));
    lines
}

/// Whether a failure is that of `todo!()`.
pub fn is_unwritten(message: &str) -> bool {
    message.contains("not yet implemented")
}

/// What a thread would do next, or why it cannot go on.
pub fn outlook(thread: &Thread) -> Vec<Line> {
    let wait = thread.waits_for.as_deref().unwrap_or_default();
    let (head, look) = match thread.state {
        ThreadState::Ended => return vec![Line::of("has ended", Look::Faint)],
        ThreadState::Waits => (format!("waits for {wait}"), Look::Unsure),
        ThreadState::WaitsForTime => (
            format!("waits for {wait}, or until its time is up"),
            Look::Unsure,
        ),
        ThreadState::Spins => ("spins: nothing has changed".to_owned(), Look::Unsure),
        ThreadState::Ready if thread.ways.iter().all(|way| way.words.is_empty()) => {
            ("goes on:".to_owned(), Look::Faint)
        }
        ThreadState::Ready => ("next:".to_owned(), Look::Faint),
    };
    let mut lines = vec![Line::of(head, look)];
    match &thread.ways[..] {
        [] => {}
        [only] => lines.push(Line::of(&only.words, Look::Strong)),
        several => lines.extend(several.iter().enumerate().map(|(number, way)| {
            Line::of(format!("{}: ", number + 1), Look::Faint).then(&way.words, Look::Strong)
        })),
    }
    let mut source = Line::of(format!("{} ", thread.place), Look::Faint);
    source.push(&thread.source, Look::Code);
    source.fixed = true;
    lines.push(source);
    lines
}

/// What the threads share.
pub fn memory(game: &Game) -> Option<Line> {
    let objects = game.now().objects.iter();
    let told: Vec<String> = objects
        .map(
            |object| match object.value.contains(' ') || object.value == "free" {
                true => format!("{} {}", object.name, object.value),
                false => format!("{} = {}", object.name, object.value),
            },
        )
        .collect();
    (!told.is_empty())
        .then(|| Line::of("memory: ", Look::Faint).then(told.join(" · "), Look::Plain))
}
