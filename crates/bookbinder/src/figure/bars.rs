//! Counts, one bar each.

use serde::Deserialize;

use super::shapes::{boxed, label};
use super::{Drawn, Look, check_label};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bars {
    unit: String,
    bars: Vec<Bar>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bar {
    name: String,
    value: f64,
    #[serde(default)]
    look: Look,
}

const LEFT: f64 = 190.0;
const WIDTH: f64 = 720.0;
const ROW: f64 = 34.0;

impl Bars {
    pub(super) fn draw(&self) -> Result<Drawn, String> {
        if self.bars.is_empty() || self.bars.len() > 20 {
            return Err(format!("it has {} bars, and not 1 to 20", self.bars.len()));
        }
        let most = self.bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
        let mut svg = String::new();
        let (mut rows, mut told) = (Vec::new(), Vec::new());
        for (number, bar) in self.bars.iter().enumerate() {
            check_label(&bar.name)?;
            if !(bar.value.is_finite() && bar.value >= 0.0) {
                return Err(format!(
                    "the value of {:?} is no number from 0 on",
                    bar.name
                ));
            }
            let y = 8.0 + ROW * number as f64;
            let value = match bar.value.fract() == 0.0 {
                true => format!("{:.0}", bar.value),
                false => format!("{:.1}", bar.value),
            };
            let share = if most > 0.0 { bar.value / most } else { 0.0 };
            let width = (WIDTH - LEFT - 90.0) * share;
            svg += &label(LEFT - 12.0, y + 17.0, "end", &bar.name);
            svg += &boxed(LEFT, y, width.max(1.0), ROW - 8.0, bar.look, "");
            svg += &label(LEFT + width.max(1.0) + 8.0, y + 17.0, "start", &value);
            told.push(format!("{}: {value} {}", bar.name, self.unit));
            rows.push(vec![bar.name.clone(), value]);
        }
        let bottom = 8.0 + ROW * self.bars.len() as f64;
        svg += &label(LEFT, bottom + 14.0, "start", &self.unit);
        Ok(Drawn {
            svg,
            width: WIDTH,
            height: bottom + 24.0,
            alternative: told.join(". ") + ".",
            legend: String::new(),
            head: vec!["what".to_owned(), self.unit.clone()],
            rows,
        })
    }
}
