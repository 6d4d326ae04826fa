//! Text that fits: a line is made of spans, each in one look, and can be
//! wrapped or clipped to a number of columns.
//!
//! ```
//! use course::text::{Line, Look};
//!
//! let line = Line::plain("two threads ").then("deadlock", Look::Bad);
//! assert_eq!(line.clipped(15, 0).text(), "two threads de…");
//! assert_eq!(line.wrapped(12)[1].text(), "deadlock");
//! ```
//!
//! Every text is made harmless before it goes into a span: no control character
//! gets through, so nothing that a learner's program prints can steer the
//! terminal.

pub mod ansi;
pub mod plainly;

use std::sync::Arc;

use anstyle::{AnsiColor, Effects, Style};
use unicode_width::UnicodeWidthChar;

/// The largest number of characters of a text. Nobody reads longer ones, so
/// they are shortened.
const LONGEST: usize = 4000;

/// How a span looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// The terminal's usual look.
    #[default]
    Plain,
    /// A heading.
    Strong,
    /// What matters less.
    Faint,
    /// What passed.
    Good,
    /// What failed.
    Bad,
    /// What could not be judged.
    Unsure,
    /// Code, and names from it.
    Code,
    /// The entry that is chosen.
    Chosen,
}

/// A piece of a line in one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The text, without control characters.
    pub text: String,
    /// How it looks.
    pub look: Look,
    /// The address that a click opens.
    pub link: Option<Arc<str>>,
}

/// One line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The spans, from left to right.
    pub spans: Vec<Span>,
    /// Whether its layout matters. Such a line is clipped and not wrapped.
    pub fixed: bool,
}

impl Line {
    /// An empty line.
    pub fn empty() -> Line {
        Line::default()
    }

    /// A line in the plain look.
    pub fn plain(text: impl AsRef<str>) -> Line {
        Line::empty().then(text, Look::Plain)
    }

    /// A line in one look.
    pub fn of(text: impl AsRef<str>, look: Look) -> Line {
        Line::empty().then(text, look)
    }

    /// A line whose layout matters.
    pub fn fixed(text: impl AsRef<str>, look: Look) -> Line {
        Line {
            fixed: true,
            ..Line::of(text, look)
        }
    }

    /// The line with one more span.
    #[must_use]
    pub fn then(mut self, text: impl AsRef<str>, look: Look) -> Line {
        self.push(text, look);
        self
    }

    /// The line with one more span, which is a link.
    #[must_use]
    pub fn linked(mut self, text: impl AsRef<str>, look: Look, link: Option<Arc<str>>) -> Line {
        self.push(text, look);
        if let Some(span) = self.spans.last_mut() {
            span.link = link;
        }
        self
    }

    /// Adds a span. Text that is longer than anybody reads is shortened, but not
    /// code: somebody may copy it.
    pub fn push(&mut self, text: impl AsRef<str>, look: Look) {
        let longest = match look {
            Look::Code => usize::MAX,
            _ => LONGEST,
        };
        self.spans.push(Span {
            text: harmless(text.as_ref(), longest),
            look,
            link: None,
        });
    }

    /// The text without its looks.
    pub fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }

    /// The text with its looks as escape sequences, without spaces at the end.
    pub fn styled(&self) -> String {
        let mut text = String::new();
        let room = self.text().trim_end().chars().count();
        let mut used = 0;
        for span in &self.spans {
            let shown: String = span.text.chars().take(room - used).collect();
            used += shown.chars().count();
            match span.look {
                _ if shown.is_empty() => {}
                Look::Plain => text.push_str(&shown),
                look => {
                    let style = look.style();
                    text.push_str(&format!("{style}{shown}{style:#}"));
                }
            }
        }
        text
    }

    /// The same line, faint: it is about to be replaced.
    #[must_use]
    pub fn dimmed(mut self) -> Line {
        for span in &mut self.spans {
            span.look = Look::Faint;
        }
        self
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|span| width(&span.text)).sum()
    }

    /// The part of the line that fits into `columns` columns after the first
    /// `skipped` columns. Its last character is `…` if there is more.
    pub fn clipped(&self, columns: usize, skipped: usize) -> Line {
        if self.width() <= columns && skipped == 0 {
            return self.clone();
        }
        let mut cells = self.cells();
        cells.drain(..columns_in(&cells, skipped));
        if cells_width(&cells) > columns {
            cells.truncate(columns_in(&cells, columns.saturating_sub(1)));
            if columns > 0 {
                cells.push(Cell::plain('…'));
            }
        }
        Line::of_cells(&cells, self.fixed)
    }

    /// Breaks the line at spaces into lines of at most `columns` columns. The
    /// second line and the following ones begin below the first character of
    /// the first line's text. A fixed line stays one line.
    pub fn wrapped(&self, columns: usize) -> Vec<Line> {
        if self.fixed || self.width() <= columns || columns == 0 {
            return vec![self.clone()];
        }
        let mut cells = self.cells();
        let indent = indent_of(&cells).min(columns / 2);
        let mut lines = Vec::new();
        // The first line contains its own indent.
        let mut start = 0;
        loop {
            let room = columns_in(&cells, columns);
            if room == cells.len() {
                lines.push(Line::of_cells(&cells, false));
                return lines;
            }
            // A word that is longer than the line is cut, after at least one character.
            let cut = room.max(start + 1);
            let (end, next) = last_gap(&cells[..=room], indent).unwrap_or((cut, cut));
            lines.push(Line::of_cells(&cells[..end], false));
            let rest = cells.split_off(next);
            if rest.is_empty() {
                return lines;
            }
            start = indent;
            cells = vec![Cell::plain(' '); indent];
            cells.extend(rest);
        }
    }

    fn cells(&self) -> Vec<Cell> {
        let of = |span: &Span| {
            let (look, link) = (span.look, span.link.clone());
            let chars: Vec<char> = span.text.chars().collect();
            chars.into_iter().map(move |c| Cell {
                c,
                look,
                link: link.clone(),
            })
        };
        self.spans.iter().flat_map(of).collect()
    }

    fn of_cells(cells: &[Cell], fixed: bool) -> Line {
        let mut spans: Vec<Span> = Vec::new();
        for cell in cells {
            match spans.last_mut() {
                Some(last) if last.look == cell.look && last.link == cell.link => {
                    last.text.push(cell.c);
                }
                _ => spans.push(Span {
                    text: cell.c.into(),
                    look: cell.look,
                    link: cell.link.clone(),
                }),
            }
        }
        Line { spans, fixed }
    }
}

/// One character of a line.
#[derive(Clone)]
struct Cell {
    c: char,
    look: Look,
    link: Option<Arc<str>>,
}

impl Cell {
    fn plain(c: char) -> Cell {
        Cell {
            c,
            look: Look::Plain,
            link: None,
        }
    }
}

impl Look {
    /// The look as a style of the terminal.
    pub fn style(self) -> Style {
        match self {
            Look::Plain => Style::new(),
            Look::Strong => Style::new().bold(),
            Look::Faint => Style::new().dimmed(),
            Look::Good => AnsiColor::Green.on_default(),
            Look::Bad => AnsiColor::Red.on_default(),
            Look::Unsure => AnsiColor::Yellow.on_default(),
            Look::Code => AnsiColor::Cyan.on_default(),
            Look::Chosen => Style::new().effects(Effects::INVERT),
        }
    }
}

/// A text of several lines, each indented and wrapped to `columns`. Lines that
/// are indented already have a layout of their own, and are not wrapped.
pub fn wrapped(text: &str, columns: usize, indent: &str) -> String {
    let lines = text.trim_end().lines().flat_map(|line| {
        let line = Line {
            fixed: line.starts_with([' ', '\t']),
            ..Line::plain(format!("{indent}{line}"))
        };
        line.wrapped(columns)
    });
    let lines: Vec<String> = lines
        .map(|line| line.text().trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// Lines as a command prints them, each wrapped to `columns` unless it is fixed.
pub fn printed(lines: &[Line], columns: usize) -> String {
    let mut text = String::new();
    for line in lines {
        for part in line.wrapped(columns) {
            text.push_str(&part.styled());
            text.push('\n');
        }
    }
    text
}

/// Two blocks of lines side by side. The second one begins at `column`.
pub fn beside(left: &[Line], right: &[Line], column: usize) -> Vec<Line> {
    let row = |index: usize| {
        let mut line = left
            .get(index)
            .map(|line| line.clipped(column.saturating_sub(1), 0))
            .unwrap_or_default();
        if let Some(right) = right.get(index) {
            line.push(" ".repeat(column.saturating_sub(line.width())), Look::Plain);
            line.spans.extend(right.spans.iter().cloned());
        }
        line.fixed = true;
        line
    };
    (0..left.len().max(right.len())).map(row).collect()
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

fn cells_width(cells: &[Cell]) -> usize {
    cells.iter().map(|cell| columns(cell.c)).sum()
}

/// How many cells fit into `room` columns.
fn columns_in(cells: &[Cell], room: usize) -> usize {
    let mut used = 0;
    cells
        .iter()
        .position(|cell| {
            used += columns(cell.c);
            used > room
        })
        .unwrap_or(cells.len())
}

/// Where a line's text begins: after spaces, and after the mark of a list.
fn indent_of(cells: &[Cell]) -> usize {
    let text: String = cells.iter().map(|cell| cell.c).collect();
    let spaces = text.len() - text.trim_start_matches(' ').len();
    let marks = ["- ", "• ", "✓ ", "✗ ", "? ", "▸ "];
    let marked = marks.iter().any(|mark| text[spaces..].starts_with(mark));
    spaces + if marked { 2 } else { 0 }
}

/// The last place to break at: where the line ends, and where the next begins.
fn last_gap(cells: &[Cell], indent: usize) -> Option<(usize, usize)> {
    let gap = cells.iter().rposition(|cell| cell.c == ' ')?;
    (gap > indent).then_some((gap, gap + 1))
}

/// Makes one line of text harmless to a terminal, with spaces instead of tabs.
/// A text of more than `longest` characters is cut.
fn harmless(text: &str, longest: usize) -> String {
    let kept: String = text.chars().take(longest).collect();
    let more = text.chars().count() - kept.chars().count();
    let mut safe = proctor::harmless(&kept)
        .replace('\t', "    ")
        .replace('\n', "\\n");
    if more > 0 {
        safe.push_str(&format!(" … {more} more characters"));
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[Line]) -> Vec<String> {
        lines.iter().map(Line::text).collect()
    }

    #[test]
    fn a_line_goes_on_below_where_its_text_began() {
        let line = Line::plain("  - one two three");
        assert_eq!(
            texts(&line.wrapped(10)),
            ["  - one", "    two", "    three"]
        );
    }

    #[test]
    fn a_text_is_wrapped_but_its_layout_is_kept() {
        assert_eq!(wrapped("aa bb cc", 7, "  "), "  aa bb\n  cc");
        assert_eq!(wrapped("a\n  left: x y z\n", 8, ""), "a\n  left: x y z");
    }

    #[test]
    fn a_word_longer_than_the_line_is_cut() {
        assert_eq!(texts(&Line::plain("abcdef").wrapped(4)), ["abcd", "ef"]);
        assert_eq!(Line::plain("abc").wrapped(1).len(), 3);
        assert_eq!(Line::plain("漢字").wrapped(1).len(), 2);
        assert_eq!(texts(&Line::plain(" 漢字").wrapped(2)).len(), 3);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(Line::plain("漢字かな").clipped(5, 0).text(), "漢字…");
        assert_eq!(Line::plain("漢字かな").clipped(4, 4).text(), "かな");
    }

    #[test]
    fn looks_survive_wrapping() {
        let line = Line::plain("aa ").then("bb cc", Look::Bad);
        let lines = line.wrapped(5);
        assert_eq!(lines[0].spans[1].look, Look::Bad);
        assert_eq!(lines[1].spans[0].look, Look::Bad);
    }

    #[test]
    fn what_a_program_prints_steers_nothing() {
        assert_eq!(
            harmless("a\x1b[2Jb\u{9b}1m\r", LONGEST),
            "a\\u{1b}[2Jb\\u{9b}1m\\r"
        );
        assert_eq!(harmless("\u{202e}x\t", LONGEST), "\\u{202e}x    ");
    }

    #[test]
    fn a_line_of_ten_megabytes_is_shortened() {
        let line = Line::plain("x".repeat(10 << 20));
        assert!(line.text().len() < 5000);
        assert!(line.text().ends_with("more characters"));
    }

    #[test]
    fn two_columns_stand_side_by_side() {
        let (left, right) = (
            [Line::plain("abcdef")],
            [Line::plain("x"), Line::plain("y")],
        );
        assert_eq!(texts(&beside(&left, &right, 5)), ["abc… x", "     y"]);
    }
}
