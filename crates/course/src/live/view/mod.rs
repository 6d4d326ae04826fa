//! The screen as a function of the state. A [`frame`] has exactly as many lines
//! as the terminal has rows, and no line is wider than the terminal.
//!
//! ```text
//!   spin-lock · A lock out of one atomic          3 of 6 · 110 min left   header
//!   ✓ processes  ✓ ipc  ✓ threads  ▸ sync  · context-switch  · coroutines
//!   edit exercises/sync/spin-lock/src/lib.rs:30
//!   ───────────────────────────────────────────────────────────────────
//!   the page: task, verdict, hints, list, …                               body
//!   ✗ 2 of 8 failed                                          ↓ 12 more    status
//!   h hint  n next  l list  b book  ? keys  q quit                        footer
//! ```
//!
//! A small screen keeps the body and drops the other lines, one after the other.

mod chrome;
mod pages;
mod passed;
mod verdict;

use super::state::{Page, State};
use crate::text::Line;
pub use chrome::{bar, minutes_left, notice, place_to_edit, status};

/// The whole screen.
pub fn frame(state: &State) -> Vec<Line> {
    let (columns, rows) = state.size;
    let head = chrome::head(state);
    let foot = chrome::foot(state, hidden(state));
    let body = wrapped_body(state);
    let room = window(state);
    let from = state.scroll.min(body.len().saturating_sub(room));
    let mut lines = head;
    lines.extend(body.into_iter().skip(from).take(room).map(|line| {
        let aside = if line.fixed { state.sideways } else { 0 };
        line.clipped(columns, aside)
    }));
    lines.resize(rows.saturating_sub(foot.len()), Line::empty());
    lines.extend(foot);
    lines.truncate(rows);
    lines
        .into_iter()
        .map(|line| line.clipped(columns, 0))
        .collect()
}

/// The page alone, not yet broken to the width of the screen.
pub fn body(state: &State) -> Vec<Line> {
    match state.page {
        Page::Welcome => pages::welcome(state),
        Page::Task => pages::task(state),
        Page::Verdict => verdict::page(state),
        Page::Hints => pages::hints(state),
        Page::List => pages::list(state),
        Page::Explain => verdict::explained(state),
        Page::Mistake => verdict::mistake(state),
        Page::Words => pages::words(state),
        Page::Solution => passed::solution(state),
        Page::Passed => passed::page(state),
        Page::Help => pages::help(),
    }
}

/// The body's lines as they are on the screen.
fn wrapped_body(state: &State) -> Vec<Line> {
    wrapped(&body(state), state.size.0)
}

fn wrapped(lines: &[Line], columns: usize) -> Vec<Line> {
    lines
        .iter()
        .flat_map(|line| line.wrapped(columns))
        .collect()
}

/// How many rows the body has.
pub fn window(state: &State) -> usize {
    let around = chrome::head(state).len() + chrome::foot(state, 0).len();
    state.size.1.saturating_sub(around)
}

/// How far the page can be scrolled.
pub fn most_scroll(state: &State) -> usize {
    wrapped_body(state).len().saturating_sub(window(state))
}

/// How far the page can be moved sideways.
pub fn most_sideways(state: &State) -> usize {
    let fixed = body(state)
        .iter()
        .filter(|l| l.fixed)
        .map(Line::width)
        .max();
    fixed.unwrap_or(0).saturating_sub(state.size.0)
}

/// How many lines of the page are below the window.
fn hidden(state: &State) -> usize {
    most_scroll(state).saturating_sub(state.scroll)
}

/// Where the newest hint begins.
pub fn start_of_last_hint(state: &State) -> usize {
    let before = pages::hints_before_last(state);
    wrapped(&before, state.size.0).len().min(most_scroll(state))
}

/// How far to scroll so that the chosen entry of the list is seen.
pub fn scroll_to_chosen(state: &State) -> usize {
    let above = wrapped(&pages::list_to_chosen(state), state.size.0).len();
    let room = window(state).max(1);
    let least = above.saturating_sub(room);
    let most = above.saturating_sub(1);
    state.scroll.clamp(least.min(most), most)
}
