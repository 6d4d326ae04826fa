//! The shapes and texts of which pictures are made, as SVG.

use std::fmt::Write as _;

use super::Look;
use crate::directive::escaped;

/// A box with a text in it, cut if it would not fit.
pub(super) fn boxed(x: f64, y: f64, width: f64, height: f64, look: Look, text: &str) -> String {
    boxed_lines(x, y, width, height, look, &[text.to_owned()])
}

/// A box with lines of text in it, each cut if it would not fit.
pub(super) fn boxed_lines(
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    look: Look,
    lines: &[String],
) -> String {
    const LINE: f64 = 13.0;
    let (fill, stroke) = look.colors();
    let mut svg = format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"3\" fill=\"{fill}\" stroke=\"{stroke}\"{}/>\n",
        look.dashes()
    );
    let letters = letters_in(width);
    let first = y + height / 2.0 + 4.0 - LINE * (lines.len() as f64 - 1.0) / 2.0;
    for (number, text) in lines.iter().enumerate() {
        if letters >= 2 && !text.is_empty() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#1a1a1a\">{}</text>",
                x + width / 2.0,
                first + LINE * number as f64,
                escaped(&cut(text, letters))
            );
        }
    }
    svg
}

/// The width of a letter in a box, and the room beside the letters. Narrower
/// letters are usual; these are those of DejaVu Sans.
const LETTER: f64 = 6.2;
const BESIDE: f64 = 4.0;

/// How many letters fit into a box.
pub(super) fn letters_in(width: f64) -> usize {
    ((width - BESIDE) / LETTER).max(0.0) as usize
}

/// How wide a box must be for this many letters.
pub(super) fn room_for(letters: usize) -> f64 {
    letters as f64 * LETTER + BESIDE + 0.1
}

/// A text of one or two lines in as few letters a line as possible.
pub(super) fn in_two_lines(text: &str) -> Vec<String> {
    let all = text.chars().count();
    (1..all)
        .map(|letters| (letters, charts::wrapped(text, letters)))
        .find(|(letters, lines)| lines.len() <= 2 && longest(lines) <= *letters)
        .map_or_else(|| vec![text.to_owned()], |(_, lines)| lines)
}

pub(super) fn longest(lines: &[String]) -> usize {
    let letters = lines.iter().map(|line| line.chars().count());
    letters.max().unwrap_or(0)
}

pub(super) fn cut(text: &str, letters: usize) -> String {
    match text.chars().count() > letters {
        true => text
            .chars()
            .take(letters.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text.to_owned(),
    }
}

/// A text outside boxes: in the page's own color.
pub(super) fn label(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"currentColor\">{}</text>\n",
        escaped(text)
    )
}

/// A small text outside boxes.
pub(super) fn note(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"11\" fill=\"currentColor\">{}</text>\n",
        escaped(text)
    )
}

pub(super) type Point = (f64, f64);

/// An arrow from one point to another.
pub(super) fn arrow(from: Point, to: Point) -> String {
    arrow_along(&[from, to])
}

/// An arrow with corners.
pub(super) fn arrow_along(points: &[Point]) -> String {
    let [.., before, to] = points else {
        return String::new();
    };
    let (dx, dy) = (to.0 - before.0, to.1 - before.1);
    let length = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let tip = |side: f64| {
        let (back, out) = (8.0, 4.0 * side);
        (to.0 - back * ux - out * uy, to.1 - back * uy + out * ux)
    };
    stroke(&format!(
        "{}{}",
        path(points),
        path(&[tip(1.0), *to, tip(-1.0)])
    ))
}

/// A line from one point to another.
pub(super) fn line(from: Point, to: Point) -> String {
    stroke(&path(&[from, to]))
}

pub(super) fn path(points: &[Point]) -> String {
    let mut text = String::new();
    for (number, (x, y)) in points.iter().enumerate() {
        let verb = if number == 0 { 'M' } else { 'L' };
        let _ = write!(text, "{verb}{x:.1} {y:.1}");
    }
    text
}

pub(super) fn stroke(path: &str) -> String {
    format!("<path d=\"{path}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.3\"/>\n")
}
