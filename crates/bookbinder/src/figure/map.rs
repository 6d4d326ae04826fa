//! What lies where: columns of cells, such as the pages of two processes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::shapes::{arrow, arrow_along, boxed_lines, label, letters_in, line};
use super::{Drawn, Look, check_label, listed};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Map {
    columns: Vec<Column>,
    #[serde(default)]
    links: Vec<Link>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Column {
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
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    from: Place,
    to: Place,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(deny_unknown_fields)]
struct Place {
    column: usize,
    cell: usize,
}

const WIDTH: f64 = 720.0;
const TOP: f64 = 40.0;
/// How many letters of a column's name fit into a line.
const NAME: usize = 14;
/// The distance between two arrows that run beside each other.
const TRACK: f64 = 7.0;
/// The lines below each other within a cell.
const LINE: f64 = 13.0;

impl Cell {
    /// What the cell says about its label.
    fn state(&self) -> String {
        let look = self
            .look
            .added_to(&format!("{} {}", self.label, self.value));
        let words = [self.value.as_str(), look];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        words.join(", ")
    }
}

impl Map {
    pub(super) fn draw(&self) -> Result<Drawn, String> {
        let count = self.columns.len();
        let cells = self.columns.iter().map(|column| column.cells.len());
        let most = cells.max().unwrap_or(0);
        if count == 0 || count > 8 || most == 0 || most > 40 {
            return Err(format!(
                "it has {count} columns with at most {most} cells; 1 to 8 and 1 to 40 fit"
            ));
        }
        for column in &self.columns {
            check_label(&column.name)?;
            for cell in &column.cells {
                check_label(&cell.label)?;
                check_label(&cell.value)?;
            }
        }
        let layout = Layout::of(self);
        // What the links draw is behind the cells.
        let mut svg = self.draw_links(&layout)?;
        let mut rows = Vec::new();
        for (number, column) in self.columns.iter().enumerate() {
            let middle = layout.x(number) + layout.width / 2.0;
            for (line, name) in charts::wrapped(&column.name, NAME).iter().rev().enumerate() {
                svg += &label(middle, TOP - 8.0 - 14.0 * line as f64, "middle", name);
            }
            for (place, cell) in column.cells.iter().enumerate() {
                let (x, y) = (layout.x(number), layout.y(place));
                let lines = layout.lines(cell);
                svg += &boxed_lines(x, y, layout.width, layout.cell(), cell.look, &lines);
                rows.push(vec![
                    column.name.clone(),
                    cell.label.clone(),
                    cell.value.clone(),
                    cell.look.added_to(&cell.value).to_owned(),
                ]);
            }
        }
        Ok(Drawn {
            svg,
            width: WIDTH,
            height: layout.bottom() + 6.0 + TRACK * self.far().count() as f64,
            alternative: self.told(),
            legend: match self.links.iter().any(|link| self.is_same(link)) {
                true => "A line joins two cells that are the same memory.".to_owned(),
                false => String::new(),
            },
            head: ["where", "what", "value", "kind"]
                .map(str::to_owned)
                .to_vec(),
            rows,
        })
    }

    fn cell(&self, place: Place) -> Option<&Cell> {
        self.columns.get(place.column)?.cells.get(place.cell)
    }

    /// Whether the link joins two cells that share the same thing. Such a link has
    /// no direction.
    fn is_same(&self, link: &Link) -> bool {
        [link.from, link.to]
            .iter()
            .all(|place| matches!(self.cell(*place), Some(cell) if cell.look == Look::Shared))
    }

    /// The links between columns that are not neighbors.
    fn far(&self) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(|link| link.is_far())
    }

    fn draw_links(&self, layout: &Layout) -> Result<String, String> {
        let mut svg = String::new();
        let mut ends: BTreeMap<Place, Vec<&Link>> = BTreeMap::new();
        for link in &self.links {
            if self.cell(link.from).is_none() || self.cell(link.to).is_none() {
                return Err("a link points to a cell that is not there".to_owned());
            }
            ends.entry(link.to).or_default().push(link);
        }
        // The arrow that begins nearest to the target ends highest, and runs nearest
        // to the cells. Then no arrow crosses another.
        let mut far: Vec<&Link> = self.far().collect();
        far.sort_by_key(|link| link.from.column.abs_diff(link.to.column));
        for links in ends.values_mut() {
            links.sort_by_key(|link| link.from.column.abs_diff(link.to.column));
            let to_far = links.iter().filter(|link| link.is_far()).count();
            let mut number_of_far = 0;
            for (number, link) in links.iter().enumerate() {
                let share = (number + 1) as f64 / (links.len() + 1) as f64;
                let end = (
                    layout.edge(link.to, link.from),
                    layout.y(link.to.cell) + layout.cell() * share,
                );
                let level = link.from.cell == link.to.cell;
                let from_y = match level && !link.is_far() {
                    true => end.1,
                    false => layout.y(link.from.cell) + layout.cell() / 2.0,
                };
                let start = (layout.edge(link.from, link.to), from_y);
                if self.is_same(link) {
                    svg += &line(start, end);
                    continue;
                }
                if !link.is_far() {
                    svg += &arrow(start, end);
                    continue;
                }
                let track = far.iter().position(|other| std::ptr::eq(*other, *link));
                let below = layout.bottom() + TRACK * (track.unwrap_or(0) as f64 + 0.5);
                let ahead = if link.from.column < link.to.column {
                    1.0
                } else {
                    -1.0
                };
                let down = start.0 + ahead * 10.0;
                let up = end.0 - ahead * (11.0 + TRACK * (to_far - 1 - number_of_far) as f64);
                number_of_far += 1;
                svg += &arrow_along(&[
                    start,
                    (down, start.1),
                    (down, below),
                    (up, below),
                    (up, end.1),
                    end,
                ]);
            }
        }
        Ok(svg)
    }

    /// What one sees, in sentences.
    fn told(&self) -> String {
        let mut told: Vec<String> = self.columns.iter().map(Column::told).collect();
        let mut same: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        let mut led: BTreeMap<Place, Vec<String>> = BTreeMap::new();
        for link in &self.links {
            let (Some(from), Some(to)) = (self.cell(link.from), self.cell(link.to)) else {
                continue;
            };
            if self.is_same(link) {
                let what = match from.label == to.label {
                    true => from.label.clone(),
                    false => format!("{} with {}", from.label, to.label),
                };
                let columns = (link.from.column, link.to.column);
                same.entry(columns).or_default().push(what);
            } else {
                let from = format!("{} of “{}”", from.label, self.name(link.from.column));
                led.entry(link.to).or_default().push(from);
            }
        }
        for ((one, other), cells) in same {
            let (one, other) = (self.name(one), self.name(other));
            told.push(match cells.as_slice() {
                [cell] => format!("A line joins {cell} of “{one}” and of “{other}”: they are the same memory"),
                _ => format!(
                    "{} lines join “{one}” and “{other}”. Each line joins two cells that are the same memory: {}",
                    cells.len(),
                    listed(&cells)
                ),
            });
        }
        for (to, from) in led {
            let what = self.cell(to).map_or("", |cell| &cell.label);
            let verb = match from.len() {
                1 => "An arrow leads".to_owned(),
                many => format!("{many} arrows lead"),
            };
            told.push(format!(
                "{verb} to {what} of “{}” from {}",
                self.name(to.column),
                listed(&from)
            ));
        }
        told.join(". ") + "."
    }

    fn name(&self, column: usize) -> &str {
        self.columns.get(column).map_or("", |column| &column.name)
    }
}

impl Link {
    fn is_far(&self) -> bool {
        self.from.column.abs_diff(self.to.column) > 1
    }
}

impl Column {
    /// The cells, those with the same state together.
    fn told(&self) -> String {
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for cell in &self.cells {
            let state = cell.state();
            match groups.iter_mut().find(|(known, _)| *known == state) {
                Some((_, cells)) => cells.push(cell.label.clone()),
                None => groups.push((state, vec![cell.label.clone()])),
            }
        }
        let count = self.cells.len();
        let noun = if count == 1 { "cell" } else { "cells" };
        let mut text = format!("Column “{}” has {count} {noun}", self.name);
        if count == 0 {
            return text;
        }
        if groups.len() > 2 || groups.len() == count {
            let each = self.cells.iter().map(|cell| match cell.state() {
                state if state.is_empty() => cell.label.clone(),
                state => format!("{} ({state})", cell.label),
            });
            let _ = write!(text, ": {}", listed(&each.collect::<Vec<_>>()));
            return text;
        }
        for (state, cells) in groups {
            let number = match cells.len() {
                all if all == count => format!("All {all} are"),
                1 => "1 is".to_owned(),
                some => format!("{some} are"),
            };
            let state = match state.is_empty() {
                true => "not marked".to_owned(),
                false => format!("marked “{state}”"),
            };
            let _ = write!(text, ". {number} {state}: {}", listed(&cells));
        }
        text
    }
}

/// Where everything is.
struct Layout {
    width: f64,
    gap: f64,
    height: f64,
    most: usize,
    /// Label and value are below each other: somewhere they do not fit into a line.
    apart: bool,
}

impl Layout {
    fn of(map: &Map) -> Layout {
        let count = map.columns.len() as f64;
        let gap = if map.columns.len() > 3 { 30.0 } else { 60.0 };
        let cells = || map.columns.iter().flat_map(|column| &column.cells);
        let mut layout = Layout {
            width: (WIDTH - 20.0 - gap * (count - 1.0)) / count,
            gap,
            height: 0.0,
            most: 0,
            apart: false,
        };
        let letters = letters_in(layout.width);
        layout.apart = cells().any(|cell| {
            let both = cell.label.chars().count() + cell.value.chars().count() + 2;
            !cell.value.is_empty() && both > letters
        });
        let lines = cells().map(|cell| layout.lines(cell).len()).max();
        layout.height = 16.0 + LINE * lines.unwrap_or(1) as f64;
        layout.most = map
            .columns
            .iter()
            .map(|column| column.cells.len())
            .max()
            .unwrap_or(0);
        layout
    }

    fn lines(&self, cell: &Cell) -> Vec<String> {
        let texts = match (cell.value.is_empty(), self.apart) {
            (true, _) => vec![cell.label.clone()],
            (false, false) => vec![format!("{}: {}", cell.label, cell.value)],
            (false, true) => vec![cell.label.clone(), cell.value.clone()],
        };
        let letters = letters_in(self.width).max(1);
        let lines = texts.iter().flat_map(|text| charts::wrapped(text, letters));
        lines.collect()
    }

    fn x(&self, column: usize) -> f64 {
        10.0 + (self.width + self.gap) * column as f64
    }

    fn y(&self, cell: usize) -> f64 {
        TOP + self.height * cell as f64
    }

    /// The height of a cell without the space to the next one.
    fn cell(&self) -> f64 {
        self.height - 4.0
    }

    fn bottom(&self) -> f64 {
        self.y(self.most)
    }

    /// The side of a cell that is turned to another one.
    fn edge(&self, place: Place, other: Place) -> f64 {
        match place.column < other.column {
            true => self.x(place.column) + self.width,
            false => self.x(place.column),
        }
    }
}
