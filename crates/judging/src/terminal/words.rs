//! Colors, and lines that fit.
//!
//! This module always writes colors. `anstream` drops them if the output is not
//! a terminal or if `NO_COLOR` is set.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

/// What passed.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What failed.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What could not be judged.
pub const UNSURE: Style = AnsiColor::Yellow.on_default();
/// A heading.
pub const STRONG: Style = Style::new().bold();
/// What matters less.
pub const FAINT: Style = Style::new().dimmed();

/// A text in a style.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Breaks a text at spaces into lines of at most `width` characters, each
/// indented. A word that is longer gets a line of its own.
pub fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let room = width.saturating_sub(indent.chars().count());
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let longer = line.chars().count() + 1 + word.chars().count();
            if !line.is_empty() && longer > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
        .iter()
        .map(|line| format!("{indent}{line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Breaks a cause into lines that fit. Indented lines have a layout of their
/// own, and stay as they are.
pub fn wrapped_lines(text: &str, width: usize, indent: &str) -> String {
    text.trim_end()
        .lines()
        .map(|line| match line.starts_with([' ', '\t']) {
            true => format!("{indent}{line}").trim_end().to_owned(),
            false => wrapped(line, width, indent),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// Indents each line and breaks none.
pub fn indented(text: &str, indent: &str) -> String {
    text.lines()
        .map(|line| format!("{indent}{line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// `1 test`, `3 tests`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// `12 ms`, `3.4 s`.
pub fn time(time: Duration) -> String {
    match time.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_keep_their_indent() {
        assert_eq!(wrapped("aa bb cc", 7, "  "), "  aa bb\n  cc");
        assert_eq!(wrapped("a\n\nlongerthanroom", 6, ""), "a\n\nlongerthanroom");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(time(Duration::from_millis(12)), "12 ms");
        assert_eq!(time(Duration::from_millis(3449)), "3.4 s");
    }
}
