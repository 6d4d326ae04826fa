//! Wraps text into lines, and colors it.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use context_switch::sampling::Nanoseconds;
use records::ledger::{Unit, Verdict};
use unicode_width::UnicodeWidthStr;

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

/// Returns a value of this unit as text.
pub(super) fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanoseconds => Nanoseconds(value).to_string(),
        Unit::Count => format!("{value:.0}"),
    }
}

pub(super) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Breaks a text into lines that are at most [`WIDTH`] columns wide after `indent`
/// spaces. A word that is longer than a line gets a line of its own.
pub(super) fn wrapped(text: &str, indent: usize) -> Vec<String> {
    wrapped_at(text, WIDTH.saturating_sub(indent))
}

/// Breaks a text into lines that are at most `width` columns wide.
pub(super) fn wrapped_at(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::{WIDTH, wrapped};

    #[test]
    fn no_line_is_wider_than_the_page_and_no_word_is_lost() {
        let text = "µs and words ".repeat(60);
        let lines = wrapped(&text, 20);
        assert!(lines.iter().all(|line| line.width() + 20 <= WIDTH));
        assert_eq!(lines.join(" "), text.trim());
    }

    #[test]
    fn a_word_without_end_has_a_line_of_its_own() {
        let long = "x".repeat(200);
        assert_eq!(wrapped(&format!("a {long} b"), 0), ["a", &long, "b"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
