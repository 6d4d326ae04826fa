//! What lies where: columns of cells, such as the pages of two processes.

use serde::Deserialize;

use super::{Drawn, Look, arrow, boxed_lines, check_label, label};

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    column: usize,
    cell: usize,
}

const WIDTH: f64 = 720.0;
const TOP: f64 = 40.0;
/// How many letters of a column's name fit into a line.
const NAME: usize = 14;

impl Map {
    pub(super) fn draw(&self) -> Result<Drawn, String> {
        let count = self.columns.len();
        let most = self
            .columns
            .iter()
            .map(|column| column.cells.len())
            .max()
            .unwrap_or(0);
        if count == 0 || count > 8 || most == 0 || most > 40 {
            return Err(format!(
                "it has {count} columns with at most {most} cells; 1 to 8 and 1 to 40 fit"
            ));
        }
        let gap = if count > 3 { 30.0 } else { 60.0 };
        let width = (WIDTH - 20.0 - gap * (count as f64 - 1.0)) / count as f64;
        // Label and value stand below each other if they do not fit into a line.
        let is_long = |cell: &Cell| {
            let letters = cell.label.chars().count() + cell.value.chars().count() + 2;
            !cell.value.is_empty() && letters as f64 * 6.0 > width - 4.0
        };
        let two_lines = self
            .columns
            .iter()
            .flat_map(|column| &column.cells)
            .any(is_long);
        let height = if two_lines { 42.0 } else { 30.0 };
        let x = |column: usize| 10.0 + (width + gap) * column as f64;
        let y = |cell: usize| TOP + height * cell as f64;
        let mut svg = String::new();
        let mut rows = Vec::new();
        let mut told = Vec::new();
        for (number, column) in self.columns.iter().enumerate() {
            check_label(&column.name)?;
            for (line, name) in charts::wrapped(&column.name, NAME).iter().rev().enumerate() {
                let y = TOP - 8.0 - 14.0 * line as f64;
                svg += &label(x(number) + width / 2.0, y, "middle", name);
            }
            let mut parts = Vec::new();
            for (place, cell) in column.cells.iter().enumerate() {
                check_label(&cell.label)?;
                check_label(&cell.value)?;
                let lines = match (cell.value.is_empty(), two_lines) {
                    (true, _) => vec![cell.label.clone()],
                    (false, false) => vec![format!("{}: {}", cell.label, cell.value)],
                    (false, true) => vec![cell.label.clone(), cell.value.clone()],
                };
                svg += &boxed_lines(x(number), y(place), width, height - 4.0, cell.look, &lines);
                let look = cell.look.word();
                let kind = if look.is_empty() {
                    String::new()
                } else {
                    format!(" ({look})")
                };
                let value = if cell.value.is_empty() {
                    String::new()
                } else {
                    format!(", {}", cell.value)
                };
                parts.push(format!("{}{value}{kind}", cell.label));
                rows.push(vec![
                    column.name.clone(),
                    cell.label.clone(),
                    cell.value.clone(),
                    look.to_owned(),
                ]);
            }
            told.push(format!("{}: {}", column.name, parts.join("; ")));
        }
        // A link that passes other columns passes behind them.
        let mut behind = String::new();
        for link in &self.links {
            let there = |place: &Place| {
                self.columns
                    .get(place.column)
                    .and_then(|column| column.cells.get(place.cell))
            };
            let (Some(from), Some(to)) = (there(&link.from), there(&link.to)) else {
                return Err("a link points to a cell that is not there".to_owned());
            };
            let middle = |place: &Place| y(place.cell) + (height - 4.0) / 2.0;
            let (start, end) = match link.from.column < link.to.column {
                true => (x(link.from.column) + width, x(link.to.column)),
                false => (x(link.from.column), x(link.to.column) + width),
            };
            behind += &arrow((start, middle(&link.from)), (end, middle(&link.to)));
            told.push(format!("{} is linked to {}", from.label, to.label));
        }
        Ok(Drawn {
            svg: behind + &svg,
            width: WIDTH,
            height: y(most) + 6.0,
            alternative: told.join(". "),
            head: vec!["where", "what", "value", "kind"],
            rows,
        })
    }
}
