//! What threads, processes or fibers did, one lane each, from left to right.

use serde::Deserialize;

use super::{Drawn, Look, arrow, boxed_lines, check_label, label, letters_in};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lanes {
    /// The unit of the axis: `steps`, `µs` or `ms`.
    axis: String,
    lanes: Vec<Lane>,
    #[serde(default)]
    arrows: Vec<Arrow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lane {
    name: String,
    spans: Vec<Span>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Span {
    from: f64,
    to: f64,
    #[serde(default)]
    label: String,
    #[serde(default)]
    look: Look,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arrow {
    from: Place,
    to: Place,
    #[serde(default)]
    label: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    lane: usize,
    at: f64,
}

const LEFT: f64 = 150.0;
const WIDTH: f64 = 720.0;
const LANE: f64 = 48.0;
const BOX: f64 = 34.0;

impl Lanes {
    pub(super) fn draw(&self) -> Result<Drawn, String> {
        if self.lanes.is_empty() || self.lanes.len() > 8 {
            return Err(format!("it has {} lanes, and not 1 to 8", self.lanes.len()));
        }
        let spans = || self.lanes.iter().flat_map(|lane| &lane.spans);
        for span in spans() {
            check_label(&span.label)?;
            let in_order = span.from <= span.to && span.from.is_finite() && span.to.is_finite();
            if !in_order {
                return Err(format!("the span {:?} ends before it begins", span.label));
            }
        }
        let first = spans().map(|span| span.from).fold(f64::INFINITY, f64::min);
        let last = spans()
            .map(|span| span.to)
            .fold(f64::NEG_INFINITY, f64::max);
        if first >= last {
            return Err("nothing in it takes any time".to_owned());
        }
        let x = |at: f64| LEFT + (WIDTH - LEFT - 10.0) * (at - first) / (last - first);
        let y = |lane: usize| 10.0 + LANE * lane as f64;
        let mut svg = String::new();
        let mut rows = Vec::new();
        let mut told = Vec::new();
        for (number, lane) in self.lanes.iter().enumerate() {
            check_label(&lane.name)?;
            svg += &label(LEFT - 12.0, y(number) + BOX / 2.0 + 4.0, "end", &lane.name);
            let mut parts = Vec::new();
            for span in &lane.spans {
                let width = (x(span.to) - x(span.from)).max(2.0);
                // A label that does not fit into a line gets two.
                let lines = charts::wrapped(&span.label, letters_in(width).max(1));
                let lines = if lines.len() == 2 {
                    lines
                } else {
                    vec![span.label.clone()]
                };
                svg += &boxed_lines(x(span.from), y(number), width, BOX, span.look, &lines);
                let look = span.look.word();
                let kind = if look.is_empty() {
                    String::new()
                } else {
                    format!(" ({look})")
                };
                let (from, to) = (number_of(span.from), number_of(span.to));
                parts.push(format!(
                    "{}{kind}, {} {from} to {to}",
                    span.label, self.axis
                ));
                rows.push(vec![
                    lane.name.clone(),
                    span.label.clone(),
                    look.to_owned(),
                    from,
                    to,
                ]);
            }
            told.push(format!("{}: {}", lane.name, parts.join("; ")));
        }
        for link in &self.arrows {
            let (Some(from), Some(to)) =
                (self.lanes.get(link.from.lane), self.lanes.get(link.to.lane))
            else {
                return Err("an arrow points to a lane that is not there".to_owned());
            };
            let edge = |place: &Place, other: &Place| match place.lane < other.lane {
                true => (x(place.at), y(place.lane) + BOX),
                false => (x(place.at), y(place.lane)),
            };
            svg += &arrow(edge(&link.from, &link.to), edge(&link.to, &link.from));
            told.push(format!(
                "{} {} {}",
                from.name,
                if link.label.is_empty() {
                    "leads to"
                } else {
                    &link.label
                },
                to.name
            ));
        }
        let bottom = y(self.lanes.len()) + 4.0;
        svg += &label(
            LEFT,
            bottom + 10.0,
            "start",
            &format!("{} {}", number_of(first), self.axis),
        );
        svg += &label(
            WIDTH - 10.0,
            bottom + 10.0,
            "end",
            &format!("{} {}", number_of(last), self.axis),
        );
        Ok(Drawn {
            svg,
            width: WIDTH,
            height: bottom + 20.0,
            alternative: told.join(". "),
            head: vec!["lane", "what", "state", "from", "to"],
            rows,
        })
    }
}

fn number_of(value: f64) -> String {
    match value.fract() == 0.0 {
        true => format!("{value:.0}"),
        false => format!("{value:.1}"),
    }
}
