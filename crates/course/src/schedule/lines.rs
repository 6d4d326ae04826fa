//! The game in lines, for screen readers, scripts and logs. Nothing is redrawn,
//! and a move is a word followed by enter.

use records::Step;
use records::timeline::Told;

use super::game::{Game, KEYS};
use super::words;
use crate::text::Line;
use crate::text::wrapped;

const COLUMNS: usize = 96;

/// The scenario, the goal of the game, and the first position.
pub fn opening(game: &Game) -> String {
    let subject = &game.subject;
    let mut text = format!("{} · {}\n", subject.exercise, subject.scenario);
    if !subject.about.is_empty() {
        text += &format!("{}\n", wrapped(&subject.about, COLUMNS, ""));
    }
    text += &format!("{}\n(? and enter show the keys)\n", words::goal(subject));
    text + &standing(game)
}

/// What is new since `before`.
pub fn news(before: &Game, game: &Game) -> String {
    if game.help {
        return KEYS
            .iter()
            .map(|(keys, what)| format!("  {keys:14}{what}\n"))
            .collect();
    }
    let mut text = String::new();
    if let Some(notice) = &game.notice {
        text += &format!("{}\n", wrapped(notice, COLUMNS, ""));
    }
    let (old, new) = (&before.now().timeline, &game.now().timeline);
    if game.undoable() > before.undoable() {
        let fresh = new.after(old.len());
        if fresh.is_empty() {
            text += "the thread ran, but none of its operations is shown\n";
        }
        for told in fresh {
            text += &match told {
                Told::Step(step, times) => stepped(step, times),
                Told::LeftOut(number) => format!("… {number} steps …\n"),
            };
        }
    } else if game.undoable() < before.undoable() {
        text += &format!("back: {} steps taken\n", new.len());
    } else if game.notice.is_some() {
        return text;
    }
    text + &standing(game)
}

fn stepped(step: &Step, times: usize) -> String {
    let letter = super::letter(step.thread);
    format!(
        "{letter}: {}\n     {}  {}\n",
        step.told(times),
        step.place,
        step.source
    )
}

/// Every thread, the memory, and the odds or the verdict.
fn standing(game: &Game) -> String {
    let mut text = String::from("\n");
    let verdict = words::verdict(game);
    if verdict.is_empty() {
        for thread in &game.now().threads {
            let mut lines = words::outlook(thread).into_iter();
            let head = lines.next().unwrap_or_default().text();
            text += &format!("  {} {head}", thread.name);
            for line in lines {
                text += &format!("\n      {}", line.text());
            }
            text.push('\n');
        }
    }
    let rest = words::memory(game).into_iter().chain(words::odds(game));
    for line in rest {
        text += &told(&line, "  ");
    }
    for line in verdict {
        text += &told(&line, "");
    }
    text
}

/// Breaks a line to fit. A command stays on one line, so that it can be copied.
fn told(line: &Line, indent: &str) -> String {
    match line.text() {
        command if command.contains("cargo course") => format!("{indent}{command}\n"),
        text if text.starts_with(' ') => format!("{indent}{text}\n"),
        text => format!("{}\n", wrapped(&text, COLUMNS, indent)),
    }
}
