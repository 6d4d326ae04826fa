//! How the programs over this crate talk to the person at the terminal.
//!
//! Whatever is printed goes through [`say`] or [`complain`]: names of files and
//! processes, and what a compiler quotes, may hold anything.

use std::io::{IsTerminal, Write};

pub mod words;

/// Prints to standard output. If the reader has gone away (`| head`), the
/// program goes on.
pub fn say(text: &str) {
    let _ = anstream::stdout()
        .lock()
        .write_all(visible(text).as_bytes());
}

/// Prints a line to standard error.
pub fn complain(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", visible(text));
}

/// Shows a line on standard error that the next call replaces, as a sign of life.
/// An empty text removes it. Does nothing if standard error is not a terminal.
pub fn passing(text: &str) {
    const ERASE_LINE: &str = "\r\u{1b}[2K";
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        let _ = write!(stderr, "{ERASE_LINE}{}", proctor::harmless(text));
    }
}

/// Makes a text harmless to the terminal: of all escape sequences it keeps only
/// those for colors, such as `ESC [ 1 ; 31 m`, which come from this program or
/// from the compiler. Everything is printed through this function, because
/// names of files and processes, and what a compiler quotes, may contain
/// anything.
fn visible(text: &str) -> String {
    const ESCAPE: char = '\u{1b}';
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find(ESCAPE) {
        safe.push_str(&proctor::harmless(&rest[..place]));
        rest = &rest[place..];
        let length = colour(rest).unwrap_or(0);
        if length > 0 {
            safe.push_str(&rest[..length]);
            rest = &rest[length..];
        } else {
            safe.push_str("\\u{1b}");
            rest = &rest[ESCAPE.len_utf8()..];
        }
    }
    safe.push_str(&proctor::harmless(rest));
    safe
}

/// The length of the color sequence at the start of a text.
fn colour(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    parameters[end..].starts_with('m').then_some(2 + end + 1)
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn colours_come_through_and_nothing_else() {
        assert_eq!(
            visible("\u{1b}[1;31mred\u{1b}[0m\n"),
            "\u{1b}[1;31mred\u{1b}[0m\n"
        );
        // Clears the screen, moves the cursor, sets the clipboard.
        for (text, shown) in [
            ("\u{1b}[2J\u{1b}[H", "\\u{1b}[2J\\u{1b}[H"),
            ("\u{1b}]52;c;aGk=\u{7}", "\\u{1b}]52;c;aGk=\\u{7}"),
            ("a\r\u{8}b\u{9b}2J", "a\\r\\u{8}b\\u{9b}2J"),
            ("\u{1b}", "\\u{1b}"),
            ("\u{1b}[31", "\\u{1b}[31"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }
}
