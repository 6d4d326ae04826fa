//! Tables, laid out for a screen.

use super::inline;
use crate::text::{Line, Look, width};

/// The narrowest column of a table. On a screen that has no room for such
/// columns, a table becomes a list.
const NARROWEST: usize = 16;

/// What stands between two columns.
const RULE: &str = " │ ";

/// Lays out a table: the head, a rule, and the rows, whose cells are wrapped.
pub(super) fn lines(rows: &[&str], columns: usize) -> Vec<Line> {
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
fn narrowed(cell: &Line, columns: usize) -> Vec<Line> {
    let text = cell.text();
    let (1, Some(span)) = (cell.spans.len(), cell.spans.first()) else {
        return cell.wrapped(columns);
    };
    if text.contains(' ') || cell.width() <= columns {
        return cell.wrapped(columns);
    }
    let mut lines = vec![String::new()];
    for word in text.split_inclusive('_') {
        let last = lines.last_mut().map_or(0, |line| width(line));
        if last > 0 && last + width(word) > columns {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
        }
    }
    let lines = lines.iter().map(|line| Line::of(line, span.look));
    lines.flat_map(|line| line.wrapped(columns)).collect()
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
