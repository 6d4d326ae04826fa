//! Turns text with colors in it, as `check` and the compiler print it, into lines.
//!
//! Only colors are understood (man 4 console_codes, "ECMA-48 SGR"). Every other
//! escape sequence is left out.

use super::{Line, Look};

/// The lines of a text.
pub fn lines(text: &str) -> Vec<Line> {
    let mut now = Now::default();
    text.lines().map(|line| now.line(line)).collect()
}

/// The look that is switched on at the moment.
#[derive(Default)]
struct Now {
    colour: Option<Look>,
    bold: bool,
    faint: bool,
}

impl Now {
    fn line(&mut self, text: &str) -> Line {
        let mut line = Line {
            fixed: is_laid_out(text),
            ..Line::empty()
        };
        let mut pieces = text.split('\x1b');
        line.push(pieces.next().unwrap_or_default(), self.look());
        for piece in pieces {
            let rest = self.take(piece);
            if !rest.is_empty() {
                line.push(rest, self.look());
            }
        }
        line.spans.retain(|span| !span.text.is_empty());
        line
    }

    /// Reads the sequence at the start of a piece, and returns what follows.
    fn take<'a>(&mut self, piece: &'a str) -> &'a str {
        let Some(sequence) = piece.strip_prefix('[') else {
            // This is not a sequence that we know: drop its one letter.
            let mut rest = piece.chars();
            rest.next();
            return rest.as_str();
        };
        let end = sequence.find(|c: char| ('@'..='~').contains(&c));
        let Some(end) = end else { return "" };
        let (parameters, rest) = sequence.split_at(end);
        if rest.starts_with('m') {
            self.switch(parameters);
        }
        &rest[1..]
    }

    fn switch(&mut self, parameters: &str) {
        let mut numbers = parameters.split(';').map(|n| n.parse().unwrap_or(0));
        while let Some(number) = numbers.next() {
            match number {
                0 => *self = Now::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                22 => (self.bold, self.faint) = (false, false),
                31 | 91 => self.colour = Some(Look::Bad),
                32 | 92 => self.colour = Some(Look::Good),
                33 | 93 | 35 | 95 => self.colour = Some(Look::Unsure),
                34 | 94 | 36 | 96 => self.colour = Some(Look::Code),
                30 | 37 | 39 | 90 | 97 => self.colour = None,
                // 38;5;N and 38;2;R;G;B select a color from another table.
                38 | 48 => match numbers.next() {
                    Some(5) => _ = numbers.next(),
                    Some(2) => _ = numbers.nth(2),
                    _ => {}
                },
                _ => {}
            }
        }
    }

    fn look(&self) -> Look {
        match self.colour {
            Some(look) => look,
            None if self.bold => Look::Strong,
            None if self.faint => Look::Faint,
            None => Look::Plain,
        }
    }
}

/// Whether the layout in columns matters, as in a quoted source line or in a picture.
fn is_laid_out(text: &str) -> bool {
    ["│", "─", " | ", "-->", "|\x1b", "^^"]
        .iter()
        .any(|sign| text.contains(sign))
        && !text.contains(" = ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_looks() {
        let line = &lines("\x1b[1m\x1b[91merror\x1b[0m: x\x1b[38;5;9my")[0];
        let looks: Vec<_> = line.spans.iter().map(|span| span.look).collect();
        assert_eq!(looks, [Look::Bad, Look::Plain, Look::Plain]);
        assert_eq!(line.text(), "error: xy");
    }

    #[test]
    fn other_sequences_are_left_out() {
        assert_eq!(
            lines("a\x1b[2Jb\x1b]0;title\x07c\x1b")[0].text(),
            "ab0;title\\u{7}c"
        );
        assert_eq!(lines("a\x1b[31")[0].text(), "a");
    }

    #[test]
    fn a_colour_lasts_over_lines() {
        assert_eq!(lines("\x1b[31ma\nb\x1b[0m")[1].spans[0].look, Look::Bad);
    }
}
