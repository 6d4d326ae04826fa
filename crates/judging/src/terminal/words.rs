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

pub use proctor::count;

/// A text in a style.
pub fn styled(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Indents each line and breaks none.
pub fn indented(text: &str, indent: &str) -> String {
    text.lines()
        .map(|line| format!("{indent}{line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
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
    fn times_are_short() {
        assert_eq!(time(Duration::from_millis(12)), "12 ms");
        assert_eq!(time(Duration::from_millis(3449)), "3.4 s");
    }
}
