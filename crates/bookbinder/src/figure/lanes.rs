//! What threads, processes or fibers did, one lane each, from left to right.

use serde::Deserialize;

use super::shapes::{
    arrow, boxed_lines, in_two_lines, label, letters_in, longest, note, path, room_for, stroke,
};
use super::{Drawn, Look, check_label, listed};

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

/// The width of a picture, and of one whose labels need more room.
const WIDTH: f64 = 720.0;
const WIDEST: f64 = 800.0;
/// The room beside the last step.
const RIGHT: f64 = 10.0;
const BOX: f64 = 34.0;
/// The room between two lanes, and if labels are in it.
const GAP: f64 = 14.0;
const WIDE_GAP: f64 = 22.0;
/// So many steps can have a number each.
const MOST_STEPS: f64 = 40.0;

impl Lanes {
    pub(super) fn draw(&self) -> Result<Drawn, String> {
        if self.lanes.is_empty() || self.lanes.len() > 8 {
            return Err(format!("it has {} lanes, and not 1 to 8", self.lanes.len()));
        }
        for lane in &self.lanes {
            check_label(&lane.name)?;
        }
        for span in self.spans() {
            check_label(&span.label)?;
            let in_order = span.from <= span.to && span.from.is_finite() && span.to.is_finite();
            if !in_order {
                return Err(format!("the span {:?} ends before it begins", span.label));
            }
        }
        let layout = Layout::of(self)?;
        let mut svg = String::new();
        let mut notes = String::new();
        let mut rows = Vec::new();
        let mut told = Vec::new();
        let mut unlabelled = false;
        for (number, lane) in self.lanes.iter().enumerate() {
            let y = layout.y(number);
            svg += &label(layout.left - 12.0, y + BOX / 2.0 + 4.0, "end", &lane.name);
            let mut parts = Vec::new();
            for span in &lane.spans {
                let (x, width) = (layout.x(span.from), layout.width_of(span));
                let lines = layout.lines(span).unwrap_or_default();
                svg += &boxed_lines(x, y, width, BOX, span.look, &lines);
                let look = span.look.added_to(&span.label);
                let kind = if look.is_empty() {
                    String::new()
                } else {
                    format!(" ({look})")
                };
                parts.push(format!("{}{kind}, {}", span.label, self.time(span)));
                let (from, to) = self.ends(span);
                let look = look.to_owned();
                rows.push(vec![lane.name.clone(), span.label.clone(), look, from, to]);
            }
            told.push(format!(
                "{}: {}",
                lane.name,
                if parts.is_empty() {
                    "nothing".to_owned()
                } else {
                    parts.join("; ")
                }
            ));
            let (below, all) = layout.notes_below(self, number);
            notes += &below;
            unlabelled |= !all;
        }
        for link in &self.arrows {
            let (Some(from), Some(to)) =
                (self.lanes.get(link.from.lane), self.lanes.get(link.to.lane))
            else {
                return Err("an arrow points to a lane that is not there".to_owned());
            };
            let edge = |place: &Place, other: &Place| match place.lane < other.lane {
                true => (layout.x(place.at), layout.y(place.lane) + BOX),
                false => (layout.x(place.at), layout.y(place.lane)),
            };
            svg += &arrow(edge(&link.from, &link.to), edge(&link.to, &link.from));
            told.push(format!(
                "An arrow, “{}”, leads from {} to {}",
                link.meaning(),
                from.name,
                to.name
            ));
        }
        svg += &notes;
        svg += &self.draw_axis(&layout);
        let (from, to) = match self.has_steps() {
            true => ("first step".to_owned(), "last step".to_owned()),
            false => (
                format!("from ({})", self.axis),
                format!("to ({})", self.axis),
            ),
        };
        let columns = ["lane", "what", "state"].map(str::to_owned);
        Ok(Drawn {
            svg,
            width: layout.width,
            height: layout.y(self.lanes.len()) + 24.0,
            alternative: told.join(". ") + ".",
            legend: self.legend(unlabelled),
            head: columns.into_iter().chain([from, to]).collect(),
            rows,
        })
    }

    fn spans(&self) -> impl Iterator<Item = &Span> {
        self.lanes.iter().flat_map(|lane| &lane.spans)
    }

    /// Whether all times are numbers of steps. Step 0 lasts from 0 to 1.
    fn has_steps(&self) -> bool {
        let whole = |span: &Span| span.from.fract() == 0.0 && span.to.fract() == 0.0;
        self.axis == "steps" && self.spans().all(|span| whole(span) && span.from < span.to)
    }

    fn ends(&self, span: &Span) -> (String, String) {
        let last = if self.has_steps() { 1.0 } else { 0.0 };
        (number_of(span.from), number_of(span.to - last))
    }

    fn time(&self, span: &Span) -> String {
        let (from, to) = self.ends(span);
        match (self.has_steps(), from == to) {
            (true, true) => format!("step {from}"),
            (true, false) => format!("steps {from} to {to}"),
            (false, _) => format!("{from} to {to} {}", self.axis),
        }
    }

    fn legend(&self, unlabelled: bool) -> String {
        let mut meanings: Vec<String> = Vec::new();
        for link in &self.arrows {
            let meaning = format!("“{}”", link.meaning());
            if !meanings.contains(&meaning) {
                meanings.push(meaning);
            }
        }
        let arrows = match meanings.len() {
            0 => None,
            1 => Some(format!("An arrow means {}.", meanings[0])),
            _ => Some(format!("The arrows mean {}.", listed(&meanings))),
        };
        let short = "The names of the shortest parts are only in the table.";
        let parts = arrows
            .into_iter()
            .chain(unlabelled.then(|| short.to_owned()));
        parts.collect::<Vec<_>>().join(" ")
    }

    fn draw_axis(&self, layout: &Layout) -> String {
        let y = layout.y(self.lanes.len()) + 14.0;
        if self.has_steps() && layout.last - layout.first <= MOST_STEPS {
            let mut svg = label(layout.left - 12.0, y, "end", "step");
            let mut step = layout.first;
            while step < layout.last {
                svg += &label(layout.x(step + 0.5), y, "middle", &number_of(step));
                step += 1.0;
            }
            return svg;
        }
        let mut svg = label(layout.left - 12.0, y, "end", &self.axis);
        let apart = round_tenth(layout.last - layout.first);
        let mut tick = (layout.first / apart).ceil() * apart;
        while tick <= layout.last {
            let x = layout.x(tick);
            svg += &stroke(&path(&[(x, y - 17.0), (x, y - 12.0)]));
            svg += &label(x, y, "middle", &number_of(tick));
            tick += apart;
        }
        svg
    }
}

impl Arrow {
    fn meaning(&self) -> &str {
        match self.label.is_empty() {
            true => "leads to",
            false => &self.label,
        }
    }
}

/// Where everything is.
struct Layout {
    left: f64,
    width: f64,
    first: f64,
    last: f64,
    lane: f64,
}

impl Layout {
    fn of(lanes: &Lanes) -> Result<Layout, String> {
        let first = lanes.spans().map(|span| span.from);
        let last = lanes.spans().map(|span| span.to);
        let first = first.fold(f64::INFINITY, f64::min);
        let last = last.fold(f64::NEG_INFINITY, f64::max);
        if first >= last {
            return Err("nothing in it takes any time".to_owned());
        }
        let names = lanes.lanes.iter().map(|lane| lane.name.chars().count());
        let left = 7.0 * names.max().unwrap_or(0) as f64 + 20.0;
        // The picture is wider if all labels then fit into their boxes.
        let needed = lanes
            .spans()
            .map(|span| room_for(longest(&in_two_lines(&span.label))) / (span.to - span.from));
        let needed = left + RIGHT + needed.fold(0.0, f64::max) * (last - first);
        let mut layout = Layout {
            left,
            width: if needed <= WIDEST {
                needed.max(WIDTH)
            } else {
                WIDTH
            },
            first,
            last,
            lane: BOX + GAP,
        };
        let mut spans = lanes.spans();
        if spans.any(|span| layout.lines(span).is_none()) {
            layout.lane = BOX + WIDE_GAP;
        }
        Ok(layout)
    }

    fn x(&self, at: f64) -> f64 {
        let share = (at - self.first) / (self.last - self.first);
        self.left + (self.width - self.left - RIGHT) * share
    }

    fn y(&self, lane: usize) -> f64 {
        10.0 + self.lane * lane as f64
    }

    fn width_of(&self, span: &Span) -> f64 {
        (self.x(span.to) - self.x(span.from)).max(2.0)
    }

    /// The lines of a label in its box, or `None` if it does not fit.
    fn lines(&self, span: &Span) -> Option<Vec<String>> {
        let letters = letters_in(self.width_of(span));
        [vec![span.label.clone()], in_two_lines(&span.label)]
            .into_iter()
            .find(|lines| longest(lines) <= letters)
    }

    /// The labels that do not fit into their boxes, below them, and whether there
    /// was room for all. A wide box is first to get its label.
    fn notes_below(&self, lanes: &Lanes, lane: usize) -> (String, bool) {
        const APART: f64 = 4.0;
        let gap = lane..lane + 1;
        let mut taken: Vec<(f64, f64)> = Vec::new();
        for link in &lanes.arrows {
            let (from, to) = (link.from.lane, link.to.lane);
            if from.min(to) < gap.end && from.max(to) >= gap.end {
                let (one, other) = (self.x(link.from.at), self.x(link.to.at));
                taken.push((one.min(other), one.max(other)));
            }
        }
        let spans = &lanes.lanes[lane].spans;
        let mut open: Vec<&Span> = spans
            .iter()
            .filter(|span| self.lines(span).is_none())
            .collect();
        open.sort_by(|one, other| self.width_of(other).total_cmp(&self.width_of(one)));
        let (mut svg, mut all) = (String::new(), true);
        for span in open {
            let half = room_for(span.label.chars().count()) / 2.0;
            let width = self.width_of(span);
            let middle = self.x(span.from) + width / 2.0;
            // The label may move as long as a part of it is below its box.
            let most = (half + width / 2.0 - APART).max(0.0) as i32;
            let places = (0..=most).flat_map(|by| [f64::from(by), -f64::from(by)]);
            let free = places.map(|by| middle + by).find(|x| {
                let is_inside = x + half <= self.width && x - half >= self.left - APART;
                let is_free = |(from, to): &(f64, f64)| x + half < *from || x - half > *to;
                is_inside && taken.iter().all(is_free)
            });
            match free {
                Some(x) => {
                    taken.push((x - half, x + half));
                    let y = self.y(lane) + BOX + 12.0;
                    svg += &note(x, y, "middle", &span.label);
                }
                None => all = false,
            }
        }
        (svg, all)
    }
}

/// A round number of which at most ten fit into a length.
fn round_tenth(length: f64) -> f64 {
    let power = 10_f64.powf((length / 10.0).log10().floor());
    let fits = |times: &f64| length / (power * times) <= 10.0;
    let times = [1.0, 2.0, 5.0].into_iter().find(fits);
    power * times.unwrap_or(10.0)
}

fn number_of(value: f64) -> String {
    match value.fract() == 0.0 {
        true => format!("{value:.0}"),
        false => format!("{value:.1}"),
    }
}
