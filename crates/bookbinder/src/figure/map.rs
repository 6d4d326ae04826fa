//! What lies where: columns of cells, such as the pages of two processes.

use serde::Deserialize;

use super::{Drawn, Look, arrow, boxed, check_label, label};

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
const CELL: f64 = 30.0;
const TOP: f64 = 28.0;
const GAP: f64 = 60.0;

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
        let width = (WIDTH - 20.0 - GAP * (count as f64 - 1.0)) / count as f64;
        let x = |column: usize| 10.0 + (width + GAP) * column as f64;
        let y = |cell: usize| TOP + CELL * cell as f64;
        let mut svg = String::new();
        let mut rows = Vec::new();
        let mut told = Vec::new();
        for (number, column) in self.columns.iter().enumerate() {
            check_label(&column.name)?;
            svg += &label(x(number) + width / 2.0, TOP - 10.0, "middle", &column.name);
            let mut parts = Vec::new();
            for (place, cell) in column.cells.iter().enumerate() {
                check_label(&cell.label)?;
                check_label(&cell.value)?;
                let text = match cell.value.is_empty() {
                    true => cell.label.clone(),
                    false => format!("{}: {}", cell.label, cell.value),
                };
                svg += &boxed(x(number), y(place), width, CELL - 4.0, cell.look, &text);
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
        for link in &self.links {
            let there = |place: &Place| {
                self.columns
                    .get(place.column)
                    .and_then(|column| column.cells.get(place.cell))
            };
            let (Some(from), Some(to)) = (there(&link.from), there(&link.to)) else {
                return Err("a link points to a cell that is not there".to_owned());
            };
            let middle = |place: &Place| y(place.cell) + (CELL - 4.0) / 2.0;
            let (start, end) = match link.from.column < link.to.column {
                true => (x(link.from.column) + width, x(link.to.column)),
                false => (x(link.from.column), x(link.to.column) + width),
            };
            svg += &arrow((start, middle(&link.from)), (end, middle(&link.to)));
            told.push(format!("{} is linked to {}", from.label, to.label));
        }
        Ok(Drawn {
            svg,
            width: WIDTH,
            height: y(most) + 6.0,
            alternative: told.join(". "),
            head: vec!["where", "what", "value", "kind"],
            rows,
        })
    }
}
