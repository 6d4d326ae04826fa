//! Turns a task or a hint into lines. It understands headings, paragraphs,
//! lists, tables and code: what the course's own texts use, and no more.

mod table;

use crate::text::{Line, Look};

/// The lines of a text. Each paragraph is one line, which is wrapped later. A
/// table is laid out for this many columns.
pub fn lines(text: &str, columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut paragraph = String::new();
    let mut rows: Vec<&str> = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        if !line.starts_with('|') && !rows.is_empty() {
            lines.extend(table::lines(&std::mem::take(&mut rows), columns));
        }
        let starts_code = line.trim_start().starts_with("```");
        if in_code && !starts_code {
            lines.push(Line::fixed(format!("    {line}"), Look::Code));
            continue;
        }
        let is_item = line.trim_start().starts_with("- ") || is_numbered(line);
        let alone = starts_code || is_item || line.starts_with(['#', '|', '>']);
        if alone || line.trim().is_empty() {
            finish(&mut paragraph, &mut lines);
        }
        if starts_code {
            in_code = !in_code;
        } else if line.trim().is_empty() {
            if lines.last().is_some_and(|last| !last.spans.is_empty()) {
                lines.push(Line::empty());
            }
        } else if line.starts_with('#') {
            let title = line.trim_start_matches('#').trim();
            lines.push(inline(title, Look::Strong));
        } else if line.starts_with('|') {
            rows.push(line);
        } else if is_item {
            paragraph = line.trim_end().to_owned();
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    finish(&mut paragraph, &mut lines);
    lines.extend(table::lines(&rows, columns));
    while lines.last().is_some_and(|last| last.spans.is_empty()) {
        lines.pop();
    }
    lines
}

fn finish(paragraph: &mut String, lines: &mut Vec<Line>) {
    if !paragraph.is_empty() {
        lines.push(inline(&std::mem::take(paragraph), Look::Plain));
    }
}

fn is_numbered(line: &str) -> bool {
    let digits = line
        .trim_start()
        .trim_start_matches(|c: char| c.is_ascii_digit());
    digits.len() < line.trim_start().len() && digits.starts_with(". ")
}

/// Finds code, strong and emphasized words, and links within a paragraph.
fn inline(text: &str, look: Look) -> Line {
    let mut line = Line::empty();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, from) = rest.split_at(at);
        line.push(before, look);
        rest = match marked(from) {
            Some((piece, kind, after)) => {
                line.push(piece, kind.unwrap_or(look));
                after
            }
            None => {
                line.push(&from[..1], look);
                &from[1..]
            }
        };
    }
    line.push(rest, look);
    line.spans.retain(|span| !span.text.is_empty());
    line
}

/// The marked piece at the start, its look, and what follows.
fn marked(from: &str) -> Option<(&str, Option<Look>, &str)> {
    let between = |mark: &str| {
        let (piece, after) = from.strip_prefix(mark)?.split_once(mark)?;
        (!piece.is_empty() && !piece.starts_with(' ')).then_some((piece, after))
    };
    if let Some((piece, after)) = between("`") {
        return Some((piece, Some(Look::Code), after));
    }
    if let Some((piece, after)) = between("**") {
        return Some((piece, Some(Look::Strong), after));
    }
    if !from.starts_with("**")
        && let Some((piece, after)) = between("*")
    {
        return Some((piece, None, after));
    }
    let (piece, after) = from.strip_prefix('[')?.split_once("](")?;
    let (_, after) = after.split_once(')')?;
    Some((piece, None, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        lines(text, 80).iter().map(Line::text).collect()
    }

    #[test]
    fn a_paragraph_is_one_line_and_a_list_one_each() {
        assert_eq!(
            texts("# T\n\na\nb\n\n- one\n  goes on\n- two\n"),
            ["T", "", "a b", "", "- one goes on", "- two"]
        );
    }

    #[test]
    fn code_keeps_its_layout() {
        let lines = lines("x:\n```rust\nfn *f*()\n\n  1\n```\nend", 80);
        let texts: Vec<_> = lines.iter().map(Line::text).collect();
        assert_eq!(texts, ["x:", "    fn *f*()", "    ", "      1", "end"]);
        assert!(lines[1].fixed);
    }

    #[test]
    fn a_table_has_columns_whose_cells_are_wrapped() {
        let text = "before\n| test | what it checks |\n|---|:--|\n\
            | `a_name_of_many_words_is_long` | looks at one thing and at another |\n| b | c |\nafter";
        let found: Vec<_> = lines(text, 40).iter().map(Line::text).collect();
        assert_eq!(
            found,
            [
                "before",
                "test                │ what it checks",
                "────────────────────┼───────────────────",
                "a_name_of_many_     │ looks at one thing",
                "words_is_long       │ and at another",
                "b                   │ c",
                "after",
            ]
        );
        assert!(lines(text, 40).iter().all(|line| line.width() <= 40));
    }

    #[test]
    fn without_room_a_table_becomes_a_list() {
        let text =
            "| a | b | c |\n|---|:--|---|\n| `x` | y and yet another | z and yet another one |";
        let found: Vec<_> = lines(text, 20).iter().map(Line::text).collect();
        assert_eq!(
            found,
            [
                "- a: b · c",
                "- x: y and yet another · z and yet another one"
            ]
        );
        assert_eq!(texts("| a | b |\n|---|---|\n| 1 | 2 |")[2], "1 │ 2");
    }

    #[test]
    fn marks_become_looks() {
        let line = &lines("a `b *` **c** *d* [e](f) 2 * 3 `open", 80)[0];
        assert_eq!(line.text(), "a b * c d e 2 * 3 `open");
        assert_eq!(line.spans[1].look, Look::Code);
        assert_eq!(line.spans[3].look, Look::Strong);
    }
}
