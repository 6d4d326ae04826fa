//! Wraps text into lines, and colors it.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use records::ledger::Verdict;

/// The width of the widest line, in columns of a terminal.
pub(super) const WIDTH: usize = 96;

pub(super) const STRONG: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();

/// Returns the color of a verdict. Colors only repeat what the words say, because
/// they are removed if the output is not a terminal.
pub(super) fn colour(verdict: Verdict) -> Style {
    let colour = match verdict {
        Verdict::Holds => AnsiColor::Green,
        Verdict::HoldsWhen => AnsiColor::Yellow,
        Verdict::DoesNotHold | Verdict::Unfinished => AnsiColor::Red,
        Verdict::TooNoisy | Verdict::Skipped => return FAINT,
    };
    Style::new().fg_color(Some(colour.into()))
}

pub(super) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Breaks a text into lines that are at most [`WIDTH`] columns wide after `indent`
/// spaces. A word that is longer than a line gets a line of its own.
pub(super) fn wrapped(text: &str, indent: usize) -> Vec<String> {
    charts::wrapped(text, WIDTH.saturating_sub(indent))
}
