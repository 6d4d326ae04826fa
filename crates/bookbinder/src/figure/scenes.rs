//! One picture after another: how memory or stacks change, step by step.
//!
//! Without a script, all scenes stand below each other, each with its text.
//! `book/style/scenes.js` shows one at a time, and asks the reader before it
//! shows some of them.

use std::fmt::Write as _;

use serde::Deserialize;

use super::shapes::letters_in;
use super::{Look, listed};
use crate::directive::escaped;

const MOST_SCENES: usize = 20;
const MOST_CELLS: usize = 6;
const MOST_ROWS: usize = 6;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenes {
    /// Stories to choose from, such as a fork and the same with threads.
    runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    name: String,
    scenes: Vec<Scene>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scene {
    title: String,
    says: String,
    /// What the reader is asked before the scene is shown.
    ask: Option<Ask>,
    rows: Vec<Row>,
    links: Vec<Link>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    question: String,
    answers: Vec<String>,
    /// Which answer is right.
    right: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    cells: Vec<Cell>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    label: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    look: Look,
    /// Which part of it is in use, from 0 to 1.
    fill: Option<f64>,
    /// Whether it differs from the scene before.
    #[serde(default)]
    new: bool,
}

/// Row and cell.
type At = (usize, usize);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    from: At,
    to: At,
}

// Sizes in a picture.
const WIDTH: f64 = 700.0;
const NAMES: f64 = 108.0;
const CELL: f64 = 42.0;
const BETWEEN: f64 = 34.0;
const MARGIN: f64 = 8.0;

impl Scenes {
    fn check(&self) -> Result<(), String> {
        let in_range = |count: usize, most: usize, what: &str| match count {
            0 => Err(format!("there is nothing in {what}")),
            count if count > most => Err(format!("{what} has {count} parts, and {most} fit")),
            _ => Ok(()),
        };
        in_range(self.runs.len(), 4, "the figure")?;
        for run in &self.runs {
            in_range(run.scenes.len(), MOST_SCENES, &run.name)?;
            for scene in &run.scenes {
                in_range(scene.rows.len(), MOST_ROWS, &scene.title)?;
                for row in &scene.rows {
                    in_range(row.cells.len(), MOST_CELLS, &row.name)?;
                }
                for (number, row) in scene.rows.iter().enumerate() {
                    let letters = letters_in(scene.place((number, 0)).2);
                    let mut texts = row.cells.iter().flat_map(|cell| [&cell.label, &cell.value]);
                    if let Some(text) = texts.find(|text| text.chars().count() > letters) {
                        return Err(format!("{text:?} does not fit into its box"));
                    }
                }
                let exists = |(row, cell): At| {
                    let row = scene.rows.get(row);
                    row.is_some_and(|row| cell < row.cells.len())
                };
                let mut links = scene.links.iter();
                if !links.all(|link| exists(link.from) && exists(link.to)) {
                    return Err(format!("{}: a link to nothing", scene.title));
                }
                if let Some(ask) = &scene.ask
                    && ask.right >= ask.answers.len()
                {
                    return Err(format!("{}: no answer is right", scene.title));
                }
            }
        }
        Ok(())
    }

    pub(super) fn draw(&self, name: &str, command: &str) -> Result<String, String> {
        self.check()?;
        let mut html = format!("<figure class=\"trace scenes\" id=\"figure-{name}\">\n");
        for (number, run) in self.runs.iter().enumerate() {
            let _ = writeln!(
                html,
                "<div class=\"run\" data-name=\"{}\">\n<p class=\"run-name\"><b>{}</b></p>\n<ol>",
                escaped(&run.name),
                escaped(&run.name)
            );
            for (step, scene) in run.scenes.iter().enumerate() {
                html += &scene.draw(&format!("figure-{name}-{number}-{step}"));
            }
            html += "</ol>\n";
            html += &run.table();
            html += "</div>\n";
        }
        let _ = write!(
            html,
            "<figcaption>Recorded by <code>{}</code></figcaption>\n</figure>",
            escaped(command)
        );
        Ok(html)
    }
}

impl Run {
    /// All scenes as a table: a column for each row of the pictures.
    fn table(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        let rows = self.scenes.iter().flat_map(|scene| &scene.rows);
        for row in rows {
            if !names.contains(&row.name.as_str()) {
                names.push(&row.name);
            }
        }
        let mut html = String::from(
            "<details><summary>The figure as a table</summary>\n<div class=\"table-wrapper\"><table><thead><tr><th>Step</th>",
        );
        for name in &names {
            let _ = write!(html, "<th>{}</th>", escaped(name));
        }
        html += "</tr></thead><tbody>\n";
        for scene in &self.scenes {
            let _ = write!(html, "<tr><td>{}</td>", escaped(&scene.title));
            for name in &names {
                let row = scene.rows.iter().find(|row| row.name == *name);
                let cells = row
                    .into_iter()
                    .flat_map(|row| row.cells.iter().map(Cell::words));
                let cells: Vec<String> = cells.collect();
                let _ = write!(html, "<td>{}</td>", escaped(&cells.join("; ")));
            }
            html += "</tr>\n";
        }
        html + "</tbody></table></div></details>\n"
    }
}

impl Scene {
    fn draw(&self, id: &str) -> String {
        let mut html = format!(
            "<li class=\"scene\" data-title=\"{}\">\n",
            escaped(&self.title)
        );
        if let Some(ask) = &self.ask {
            let _ = write!(
                html,
                "<div class=\"ask\" data-right=\"{}\">\n<p class=\"asks\">{}</p>\n<ul>",
                ask.right,
                escaped(&ask.question)
            );
            for answer in &ask.answers {
                let _ = write!(html, "<li>{}</li>", escaped(answer));
            }
            html += "</ul>\n</div>\n";
        }
        let _ = writeln!(
            html,
            "<div class=\"shown\">\n<p class=\"scene-title\"><b>{}.</b> {}</p>\n<div class=\"scrolls\">{}</div>\n<p class=\"more\">Scroll sideways to see the whole picture.</p>\n</div>\n</li>",
            escaped(&self.title),
            escaped(&self.says),
            self.picture(id)
        );
        html
    }

    /// Where a cell is: left, top, width. Cells of all rows stand below each other.
    fn place(&self, (row, cell): At) -> (f64, f64, f64) {
        let counts = self.rows.iter().map(|row| row.cells.len());
        let count = counts.max().unwrap_or(1) as f64;
        let gap = 12.0;
        let width = ((WIDTH - NAMES - MARGIN - gap * (count - 1.0)) / count).min(170.0);
        let left = NAMES + (width + gap) * cell as f64;
        let top = MARGIN + (CELL + BETWEEN) * row as f64;
        (left, top, width)
    }

    fn picture(&self, id: &str) -> String {
        let height = 2.0 * MARGIN + CELL + (CELL + BETWEEN) * (self.rows.len() as f64 - 1.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" style=\"max-width:{WIDTH}px\" role=\"img\" \
             aria-labelledby=\"{id}\" font-family=\"system-ui,sans-serif\" font-size=\"12\">\n<title id=\"{id}\">{}</title>\n",
            escaped(&self.alternative())
        );
        // Everything that looks the same is in one group: a figure has many scenes.
        let mut lines = String::new();
        for link in &self.links {
            let (from, to) = (self.place(link.from), self.place(link.to));
            let (up, down) = if from.1 < to.1 {
                (from, to)
            } else {
                (to, from)
            };
            let (x1, x2) = (up.0 + up.2 / 2.0, down.0 + down.2 / 2.0);
            let (y1, y2) = (up.1 + CELL, down.1);
            let middle = f64::midpoint(y1, y2);
            let _ = write!(
                lines,
                "M{x1:.0} {y1:.0}C{x1:.0} {middle:.0} {x2:.0} {middle:.0} {x2:.0} {y2:.0}"
            );
        }
        let _ = writeln!(
            svg,
            "<path d=\"{lines}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\"/>"
        );
        let (mut names, mut boxes, mut texts) = (String::new(), String::new(), String::new());
        for (number, row) in self.rows.iter().enumerate() {
            let (_, top, _) = self.place((number, 0));
            let words = charts::wrapped(&row.name, 15);
            let first = top + CELL / 2.0 + 4.0 - 7.0 * (words.len() as f64 - 1.0);
            for (line, words) in words.iter().enumerate() {
                let y = first + 14.0 * line as f64;
                let _ = writeln!(names, "<text y=\"{y:.0}\">{}</text>", escaped(words));
            }
            for (place, cell) in row.cells.iter().enumerate() {
                let place = self.place((number, place));
                boxes += &cell.boxed(place);
                texts += &cell.texts(place);
            }
        }
        let _ = write!(
            svg,
            "<g fill=\"currentColor\">{names}</g>\n{boxes}\
             <g text-anchor=\"middle\" font-size=\"11\" fill=\"#1a1a1a\">{texts}</g>"
        );
        svg + "</svg>"
    }

    /// The picture in sentences.
    fn alternative(&self) -> String {
        let mut text = format!("{}. ", self.title);
        for (number, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> = row
                .cells
                .iter()
                .enumerate()
                .map(|(place, cell)| {
                    let mut words = cell.words();
                    let leads = self
                        .links
                        .iter()
                        .filter(|link| link.from == (number, place));
                    let leads: Vec<String> = leads
                        .map(|link| self.rows[link.to.0].cells[link.to.1].label.clone())
                        .collect();
                    if !leads.is_empty() {
                        words += &format!(" leads to {}", listed(&leads));
                    }
                    words
                })
                .collect();
            let _ = write!(text, "{}: {}. ", row.name, cells.join("; "));
        }
        text.trim_end().to_owned()
    }
}

impl Cell {
    fn words(&self) -> String {
        let look = self
            .look
            .added_to(&format!("{} {}", self.label, self.value));
        let parts = [self.label.as_str(), &self.value, look];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(", ")
    }

    fn boxed(&self, (x, y, width): (f64, f64, f64)) -> String {
        let (fill, stroke) = self.look.colors();
        let mut svg = format!(
            "<rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{CELL}\" rx=\"3\" fill=\"{fill}\" stroke=\"{stroke}\"{}/>\n",
            self.look.dashes()
        );
        if self.new {
            let _ = writeln!(
                svg,
                "<rect class=\"new\" x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{}\" rx=\"5\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2\"/>",
                x - 3.0,
                y - 3.0,
                width + 6.0,
                CELL + 6.0
            );
        }
        let fill = self.fill.unwrap_or(0.0).clamp(0.0, 1.0);
        if fill > 0.0 {
            let _ = writeln!(
                svg,
                "<rect x=\"{:.0}\" y=\"{:.0}\" width=\"{:.1}\" height=\"4\" fill=\"{stroke}\"/>",
                x + 1.0,
                y + CELL - 5.0,
                (width - 2.0) * fill
            );
        }
        svg
    }

    fn texts(&self, (x, y, width): (f64, f64, f64)) -> String {
        let lines = [&self.label, &self.value];
        let lines: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        let first = y + CELL / 2.0 + 4.0 - 6.5 * (lines.len() as f64 - 1.0);
        let mut svg = String::new();
        for (number, line) in lines.into_iter().enumerate() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.0}\" y=\"{:.1}\">{}</text>",
                x + width / 2.0,
                first + 13.0 * number as f64,
                escaped(line)
            );
        }
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::Scenes;

    fn draw(text: &str) -> Result<String, String> {
        let scenes: Scenes = serde_json::from_str(text).map_err(|error| error.to_string())?;
        scenes.draw("x", "the command")
    }

    const ONE: &str = r#"{"runs": [{"name": "a <run>", "scenes": [
        {"title": "One", "says": "It <begins>.", "ask": {"question": "What?", "answers": ["a", "b"], "right": 1},
         "rows": [{"name": "tables", "cells": [{"label": "page 0", "value": "its own", "look": "own"}]},
                  {"name": "frames", "cells": [{"label": "frame 3", "new": true, "fill": 0.5}]}],
         "links": [{"from": [0, 0], "to": [1, 0]}]}]}]}"#;

    #[test]
    fn a_scene_has_a_picture_and_says_it_in_words() {
        let html = draw(ONE).unwrap();
        assert!(
            html.contains("One. tables: page 0, its own leads to frame 3. frames: frame 3."),
            "{html}"
        );
        assert!(html.contains("<tr><td>One</td><td>page 0, its own</td><td>frame 3</td></tr>"));
        assert!(html.contains("It &lt;begins&gt;.") && html.contains("a &lt;run&gt;"));
        assert!(!html.contains("\n\n"), "a blank line ends the block");
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        for (from, to) in [
            ("\"to\": [1, 0]", "\"to\": [2, 0]"),
            ("\"to\": [1, 0]", "\"to\": [1, 1]"),
            ("\"right\": 1", "\"right\": 2"),
            ("\"look\": \"own\"", "\"look\": \"pretty\""),
        ] {
            draw(&ONE.replace(from, to)).unwrap_err();
        }
        draw(r#"{"runs": []}"#).unwrap_err();
    }
}
