//! Charts of measured claims, for the program `claims` and for the book.
//!
//! [`svg`] draws the figures and ratios of one entry of the ledger, and
//! [`narrow_svg`] draws them for a small screen. [`Scale`] is the axis, which a
//! terminal can draw, too.

mod scale;
mod svg;

use context_switch::sampling::Nanoseconds;
use records::ledger::Unit;
use unicode_width::UnicodeWidthStr;

pub use scale::Scale;
pub use svg::{narrow_svg, svg};

/// Returns a value of this unit as text.
#[must_use]
pub fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanoseconds => Nanoseconds(value).to_string(),
        Unit::Count => format!("{value:.0}"),
    }
}

/// Returns a text as it is written in HTML and SVG, also within an attribute.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Breaks a text into lines that are at most `width` columns wide. A word that is
/// longer than a line gets a line of its own.
#[must_use]
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
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
    use super::*;

    #[test]
    fn no_line_is_wider_than_asked_for_and_no_word_is_lost() {
        let text = "µs and words ".repeat(60);
        let lines = wrapped(&text, 76);
        assert!(lines.iter().all(|line| line.width() <= 76));
        assert_eq!(lines.join(" "), text.trim());
    }

    #[test]
    fn a_word_without_end_has_a_line_of_its_own() {
        let long = "x".repeat(200);
        assert_eq!(wrapped(&format!("a {long} b"), 96), ["a", &long, "b"]);
        assert_eq!(wrapped("", 92), [""]);
    }
}
