//! The game on a screen: a pure function of the game and the terminal's size.
//!
//! ```text
//!   spin-lock · both_lock                                      step 3
//!   41 executions from here, 9 of them fail
//!   ──────────────────────────────────────────────────────────────────
//!                  │ a (main)                 │ b
//!   src/lib.rs:38  │ while self.locked.load(… │
//!                  │   load(Acquire) → false  │
//!   ──────────────────────────────────────────────────────────────────
//!                  │ next:                    │ next:
//!                  │ store(true, Relaxed)     │ load(Acquire)
//!   memory: AtomicBool #1 = false
//!   a b: step · enter: run on · u: undo · r: restart · ?: help · q: quit
//! ```

use records::timeline::Told;

use super::game::{Game, KEYS};
use super::words;
use crate::text::{Line, Look, beside};

/// A narrower column would show nothing.
const NARROWEST: usize = 8;
/// With fewer columns than this, there is no column for places.
const WITH_PLACES: usize = 72;
/// How many lines there are for what a thread would do next.
const OUTLOOK: usize = 5;

/// Exactly `rows` lines of at most `columns` columns.
pub fn frame(game: &Game, columns: usize, rows: usize) -> Vec<Line> {
    let grid = Grid::of(game, columns);
    let mut lines = if game.help {
        help()
    } else {
        let head = head(game, columns, rows);
        let mut foot = foot(game, &grid, columns, rows);
        let room = rows.saturating_sub(head.len());
        let over = foot.len().saturating_sub(room);
        // The first lines say what happened, and the last ones what can be
        // done: drop lines between them.
        let middle = foot.len().min(2)..foot.len().min(2 + over);
        foot.drain(middle);
        foot.truncate(room);
        let middle = happened(game, &grid, room - foot.len());
        [head, middle, foot].concat()
    };
    lines.resize(rows, Line::empty());
    lines.iter().map(|line| line.clipped(columns, 0)).collect()
}

fn help() -> Vec<Line> {
    let keys = KEYS
        .iter()
        .map(|(keys, what)| Line::of(format!("  {keys:14}"), Look::Strong).then(what, Look::Plain));
    let mut lines = vec![Line::of("Keys", Look::Strong), Line::empty()];
    lines.extend(keys);
    lines
}

fn head(game: &Game, columns: usize, rows: usize) -> Vec<Line> {
    let subject = &game.subject;
    let whose = match subject.is_reference {
        true => " · the course's solution",
        false => "",
    };
    let left = Line::of(&subject.exercise, Look::Strong)
        .then(format!(" · {}{whose}", subject.scenario), Look::Plain);
    let steps = format!("step {}", game.now().timeline.len());
    let column = columns.saturating_sub(steps.len());
    let mut lines = beside(&[left], &[Line::of(steps, Look::Faint)], column);
    if rows >= 18 && !subject.about.is_empty() {
        lines.push(Line::of(&subject.about, Look::Faint));
    }
    if rows >= 18 && game.undoable() == 0 {
        lines.push(Line::plain(words::goal(subject)));
    }
    if game.now().end.is_none() {
        lines.extend(words::odds(game));
    }
    lines
}

fn foot(game: &Game, grid: &Grid, columns: usize, rows: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let wrapped = |line: Line| line.wrapped(columns.max(1));
    let verdict = words::verdict(game);
    if verdict.is_empty() {
        if rows >= 12 {
            lines.push(Line::of("─".repeat(columns), Look::Faint));
        }
        lines.extend(grid.outlooks(game, if rows >= 16 { OUTLOOK } else { 2 }));
    } else {
        lines.extend(verdict.into_iter().flat_map(wrapped));
    }
    if rows >= 14 {
        lines.extend(words::memory(game));
    }
    if let Some(notice) = &game.notice {
        lines.extend(wrapped(Line::of(notice, Look::Unsure)).into_iter().take(3));
    }
    lines.push(keys(game, columns));
    lines
}

fn keys(game: &Game, columns: usize) -> Line {
    if game.is_asking {
        return Line::of("…", Look::Faint);
    }
    let threads = game.now().threads.iter().filter(|thread| thread.can_run());
    let letters: Vec<String> = threads.map(|thread| thread.letter().to_string()).collect();
    let mut keys = vec![
        ("u", ": undo"),
        ("r", ": restart"),
        ("?", ": help"),
        ("q", ": quit"),
    ];
    let letters = letters.join(" ");
    if !letters.is_empty() {
        keys.splice(0..0, [(letters.as_str(), ": step"), ("enter", ": run on")]);
    }
    let line = |told: bool| {
        let mut line = Line::empty();
        for (key, what) in &keys {
            let gap = if line.spans.is_empty() { "" } else { " · " };
            line = line
                .then(gap, Look::Faint)
                .then(key, Look::Strong)
                .then(if told { what } else { "" }, Look::Faint);
        }
        line
    };
    let long = line(true);
    match long.width() <= columns {
        true => long,
        false => line(false),
    }
}

/// The last rows of the timeline, under the threads' names.
fn happened(game: &Game, grid: &Grid, room: usize) -> Vec<Line> {
    let mut lines = vec![grid.names(game)];
    let mut rows = grid.steps(game);
    let window = room.saturating_sub(1);
    let hidden = game.scrolled.min(rows.len().saturating_sub(window));
    rows.truncate(rows.len() - hidden);
    lines.extend(rows.split_off(rows.len().saturating_sub(window)));
    lines.resize(room, Line::empty());
    lines
}

/// One column for places, if there is room, and one for each thread.
struct Grid {
    margin: usize,
    column: usize,
    threads: usize,
}

impl Grid {
    fn of(game: &Game, columns: usize) -> Grid {
        let now = game.now();
        let places = now.timeline.steps.iter().map(|step| step.place.len());
        let margin = match columns {
            WITH_PLACES.. => places.max().unwrap_or(0).clamp(13, 24) + 1,
            _ => 0,
        };
        let threads = now.threads.len().max(1);
        let column = (columns.saturating_sub(margin) / threads).saturating_sub(2);
        Grid {
            margin,
            column: column.max(NARROWEST),
            threads,
        }
    }

    /// One row: the margin, and the cells of all threads side by side.
    fn row(&self, place: &str, cell: impl Fn(usize) -> Line) -> Line {
        let mut line = Line::empty();
        if self.margin > 0 {
            line = padded(Line::of(place, Look::Faint), self.margin);
        }
        for thread in 0..self.threads {
            if thread > 0 || self.margin > 0 {
                line.push("│ ", Look::Faint);
            }
            line.spans.extend(padded(cell(thread), self.column).spans);
        }
        line.fixed = true;
        line
    }

    fn names(&self, game: &Game) -> Line {
        let threads = &game.now().threads;
        self.row("", |number| match threads.get(number) {
            Some(thread) => Line::of(&thread.name, Look::Strong),
            None => Line::empty(),
        })
    }

    fn steps(&self, game: &Game) -> Vec<Line> {
        let timeline = &game.now().timeline;
        let mut rows = Vec::new();
        let mut last = None;
        for told in timeline.after(0) {
            let (step, times) = match told {
                Told::Step(step, times) => (step, times),
                Told::LeftOut(number) => {
                    let gap = format!("… {number} steps …");
                    rows.push(Line::fixed(gap, Look::Faint));
                    continue;
                }
            };
            let only = |number: usize, line: &Line| match number == step.thread {
                true => line.clone(),
                false => Line::empty(),
            };
            if last != Some((&step.place, step.thread)) {
                let source = Line::of(&step.source, Look::Code);
                rows.push(self.row(&step.place, |number| only(number, &source)));
            }
            last = Some((&step.place, step.thread));
            for part in Line::plain(format!("  {}", step.told(times))).wrapped(self.column) {
                rows.push(self.row("", |number| only(number, &part)));
            }
        }
        rows
    }

    /// What each thread would do next, side by side.
    fn outlooks(&self, game: &Game, most: usize) -> Vec<Line> {
        let outlooks: Vec<Vec<Line>> = game
            .now()
            .threads
            .iter()
            .map(|thread| {
                let lines = words::outlook(thread).into_iter();
                lines.flat_map(|line| line.wrapped(self.column)).collect()
            })
            .collect();
        let rows = outlooks.iter().map(Vec::len).max().unwrap_or(0).min(most);
        (0..rows)
            .map(|row| {
                self.row("", |number| {
                    let cell = outlooks.get(number).and_then(|lines| lines.get(row));
                    cell.cloned().unwrap_or_default()
                })
            })
            .collect()
    }
}

/// The line in exactly `columns` columns.
fn padded(line: Line, columns: usize) -> Line {
    let line = line.clipped(columns, 0);
    let gap = columns.saturating_sub(line.width());
    line.then(" ".repeat(gap), Look::Plain)
}
