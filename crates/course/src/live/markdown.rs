//! Turns a task or a hint into lines. It understands headings, paragraphs,
//! lists, tables and code: what the course's own texts use, and no more.

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
            lines.extend(table(&std::mem::take(&mut rows), columns));
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
    lines.extend(table(&rows, columns));
    while lines.last().is_some_and(|last| last.spans.is_empty()) {
        lines.pop();
    }
    lines
}

/// The narrowest column of a table. On a screen that has no room for such
/// columns, a table becomes a list.
const NARROWEST: usize = 16;

/// What stands between two columns.
const RULE: &str = " │ ";

/// Lays out a table: the head, a rule, and the rows, whose cells are wrapped.
fn table(rows: &[&str], columns: usize) -> Vec<Line> {
    let is_rule = |row: &&str| row.chars().all(|c| "|-: ".contains(c));
    let rows: Vec<Vec<Line>> = rows
        .iter()
        .filter(|row| !is_rule(row))
        .enumerate()
        .map(|(number, row)| {
            let look = if number == 0 {
                Look::Strong
            } else {
                Look::Plain
            };
            let cells = row.trim().trim_matches('|').split(" | ");
            cells.map(|cell| inline(cell.trim(), look)).collect()
        })
        .collect();
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let gaps = RULE.chars().count() * count.saturating_sub(1);
    if rows.is_empty() {
        return Vec::new();
    }
    let Some(widths) = widths(&rows, count, columns.saturating_sub(gaps)) else {
        return rows.iter().map(|row| entry(row)).collect();
    };
    let mut lines = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        lines.extend(laid_out(row, &widths));
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
            lines.push(Line::fixed(rules.join("─┼─"), Look::Faint));
        }
    }
    lines
}

/// How wide the columns are: as wide as what is in them, but the widest ones give
/// way until all of them fit.
fn widths(rows: &[Vec<Line>], count: usize, room: usize) -> Option<Vec<usize>> {
    let widest = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at));
        cells.map(Line::width).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..count).map(widest).collect();
    while widths.iter().sum::<usize>() > room {
        let most = widths.iter_mut().max()?;
        if *most <= NARROWEST {
            return None;
        }
        *most -= 1;
    }
    Some(widths)
}

/// A row of a table, in as many lines as its highest cell needs.
fn laid_out(row: &[Line], widths: &[usize]) -> Vec<Line> {
    let cells: Vec<Vec<Line>> = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| narrowed(cell, *width))
        .collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |at: usize| {
        let mut line = Line::empty();
        for (number, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if number > 0 {
                line.push(RULE, Look::Faint);
            }
            let part = cell.get(at).cloned().unwrap_or_default();
            let pad = match number + 1 == cells.len() {
                true => 0,
                false => width.saturating_sub(part.width()),
            };
            line.spans.extend(part.spans);
            line.push(" ".repeat(pad), Look::Plain);
        }
        line.spans.retain(|span| !span.text.is_empty());
        line.fixed = true;
        line
    };
    (0..height).map(line).collect()
}

/// A cell, wrapped. A long name is broken behind an underscore.
fn narrowed(cell: &Line, width: usize) -> Vec<Line> {
    let text = cell.text();
    let (1, Some(span)) = (cell.spans.len(), cell.spans.first()) else {
        return cell.wrapped(width);
    };
    if text.contains(' ') || cell.width() <= width {
        return cell.wrapped(width);
    }
    let mut lines = vec![String::new()];
    for word in text.split_inclusive('_') {
        let last = lines.last_mut().map_or(0, |line| crate::text::width(line));
        if last > 0 && last + crate::text::width(word) > width {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
    }
    let lines = lines.iter().map(|line| Line::of(line, span.look));
    lines.flat_map(|line| line.wrapped(width)).collect()
}

/// A row as an entry of a list.
fn entry(row: &[Line]) -> Line {
    let mut entry = Line::plain("- ");
    for (number, cell) in row.iter().enumerate() {
        match number {
            0 => {}
            1 => entry.push(": ", Look::Plain),
            _ => entry.push(" · ", Look::Plain),
        }
        entry.spans.extend(cell.spans.iter().cloned());
    }
    entry
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
