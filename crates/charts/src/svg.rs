//! Charts for the book: one picture for each claim, with a description for screen
//! readers, and with colors for light and dark pages.
//!
//! ```text
//!  the claim                                          does not hold
//!             fork  ────────────├──○──┤  7.51 ms      figures: one axis
//!           a thread  ├○┤  26.9 µs
//!                    10 µs    100 µs    1 ms
//!  fork / a thread             ░░░│░░░      ├─○─┤ 26  ratios: one axis with 1
//! ```

use std::fmt::Write;

use records::ledger::{Entry, Figure, Ratio, Verdict, times};

use crate::{Scale, escaped, shown, wrapped};

const WIDTH: f64 = 640.0;
const ROW: f64 = 30.0;
/// Where names end, and where the axes begin and end.
const LEFT: f64 = 224.0;
const RIGHT: f64 = 90.0;
const TITLE_LINE: f64 = 20.0;
/// The room for the numbers below an axis, and for what the axis is.
const AXIS: f64 = 44.0;
/// How many letters of the title fit into a line.
const TITLE_LETTERS: usize = 84;
/// Ratios between 1 / this and this count as "about the same".
const MARGIN: f64 = 1.5;

/// Draws the figures of an entry as medians with their intervals, and the ratios
/// that decide. Returns `None` if the entry has no figures.
///
/// The picture scales to the width of its page, and describes its contents to
/// readers who do not see it. Viewers that know no style sheets show it in dark
/// colors for a light background; others follow the reader's color scheme.
#[must_use]
pub fn svg(entry: &Entry) -> Option<String> {
    let figures = &entry.notes.figures;
    let scale = Scale::of(figures)?;
    let unit = figures.first()?.unit;
    let id = entry.number;
    let mut picture = Picture::default();
    picture.title(entry);
    for figure in figures {
        picture.figure(figure, &scale);
    }
    let kind = match scale.logarithmic {
        true => "logarithmic scale",
        false => "linear scale from zero",
    };
    let ticks = scale.ticks();
    picture.axis(
        &scale,
        &ticks
            .iter()
            .map(|tick| (*tick, shown(unit, *tick)))
            .collect::<Vec<_>>(),
        &format!("{kind}; medians with 95 % confidence intervals"),
    );
    let ratios = &entry.notes.ratios;
    if let Some(scale) = Scale::of_ratios(ratios) {
        picture.ratios(ratios, &scale);
    }
    let Picture { body, y } = picture;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y}\" role=\"img\" class=\"claim-chart\" \
         font-family=\"system-ui,sans-serif\" font-size=\"13\" \
         aria-labelledby=\"claim-{id}-title claim-{id}-desc\">\n\
         <title id=\"claim-{id}-title\">{}</title>\n<desc id=\"claim-{id}-desc\">{}</desc>\n{STYLE}{body}</svg>\n",
        escaped(&entry.says),
        escaped(&description(entry)),
    ))
}

/// The attributes of the elements are colors for a light background. These rules
/// replace them on a dark one; the picture itself has no background. A picture
/// that is shown as a file of its own follows the color scheme of the reader's
/// system. A picture inside a page of the book follows the theme that the reader
/// chose there. The class keeps these rules from changing other pictures on the
/// page.
const STYLE: &str = concat!(
    "<style>\n",
    "@media (prefers-color-scheme:dark){\n",
    ".claim-chart .ink{fill:#e6e6e6} .claim-chart .faint{fill:#b0b0b0}\n",
    ".claim-chart .line{stroke:#b0b0b0} .claim-chart .mark{stroke:#8ab8ff} .claim-chart .same{fill:#fff}}\n",
    ":is(.light,.rust) .claim-chart .ink{fill:#222} :is(.light,.rust) .claim-chart .faint{fill:#595959}\n",
    ":is(.light,.rust) .claim-chart .line{stroke:#595959} :is(.light,.rust) .claim-chart .mark{stroke:#1a5fb4}\n",
    ":is(.light,.rust) .claim-chart .same{fill:#000}\n",
    ":is(.coal,.navy,.ayu) .claim-chart .ink{fill:#e6e6e6} :is(.coal,.navy,.ayu) .claim-chart .faint{fill:#b0b0b0}\n",
    ":is(.coal,.navy,.ayu) .claim-chart .line{stroke:#b0b0b0} :is(.coal,.navy,.ayu) .claim-chart .mark{stroke:#8ab8ff}\n",
    ":is(.coal,.navy,.ayu) .claim-chart .same{fill:#fff}\n",
    "</style>\n"
);
const INK: &str = "class=\"ink\" fill=\"#222\"";
const FAINT: &str = "class=\"faint\" fill=\"#595959\" font-size=\"11\"";
const LINE: &str = "class=\"line\" stroke=\"#595959\"";
const MARK: &str = "class=\"mark\" stroke=\"#1a5fb4\" stroke-width=\"2\" fill=\"none\"";
const SAME: &str = "class=\"same\" fill=\"#000\" fill-opacity=\"0.08\"";

/// A picture that grows downwards.
#[derive(Default)]
struct Picture {
    body: String,
    /// The height until now.
    y: f64,
}

impl Picture {
    fn title(&mut self, entry: &Entry) {
        for line in wrapped(&entry.says, TITLE_LETTERS) {
            self.y += TITLE_LINE;
            let y = self.y;
            self.add(&format!(
                "<text {INK} font-weight=\"bold\" x=\"8\" y=\"{y}\">{}</text>",
                escaped(&line)
            ));
        }
        self.y += TITLE_LINE;
        let y = self.y;
        let verdict = match entry.verdict {
            Verdict::HoldsWhen => "holds under a condition".to_owned(),
            other => other.to_string(),
        };
        self.add(&format!(
            "<text {FAINT} x=\"8\" y=\"{y}\">claim {}: {verdict}</text>",
            entry.number
        ));
        self.y += 10.0;
    }

    fn figure(&mut self, figure: &Figure, scale: &Scale) {
        let Figure {
            low, middle, high, ..
        } = *figure;
        let value = shown(figure.unit, middle);
        let y = self.y + ROW / 2.0 + 4.0;
        self.name(&figure.name, y, INK);
        self.row([low, middle, high], &value, scale);
    }

    fn name(&mut self, name: &str, y: f64, look: &str) {
        self.add(&format!(
            "<text {look} x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 12.0,
            escaped(name)
        ));
    }

    /// The interval between its two ends, and a ring at the median,
    /// through which the interval can be seen.
    fn row(&mut self, values: [f64; 3], value: &str, scale: &Scale) {
        let y = self.y + ROW / 2.0;
        let [low, middle, high] = values.map(|value| x(value, scale));
        let (top, bottom, text) = (y - 7.0, y + 7.0, y + 4.0);
        self.add(&format!(
            "<path {MARK} d=\"M{low:.1} {top:.1}V{bottom:.1}M{low:.1} {y:.1}H{high:.1}M{high:.1} {top:.1}V{bottom:.1}\"/>\n\
             <circle {MARK} cx=\"{middle:.1}\" cy=\"{y:.1}\" r=\"4\"/>\n\
             <text {INK} x=\"{:.1}\" y=\"{text:.1}\">{}</text>",
            high.max(middle + 4.0) + 8.0,
            escaped(value),
        ));
        self.y += ROW;
    }

    /// The axis with its ticks, and what kind of axis it is.
    fn axis(&mut self, scale: &Scale, ticks: &[(f64, String)], kind: &str) {
        let y = self.y;
        let (end, bottom) = (WIDTH - RIGHT, y + 5.0);
        self.add(&format!("<path {LINE} d=\"M{LEFT} {y}H{end}\"/>"));
        for (tick, name) in ticks {
            let x = x(*tick, scale);
            self.add(&format!(
                "<path {LINE} d=\"M{x:.1} {y}V{bottom}\"/>\n\
                 <text {FAINT} x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                y + 17.0,
                escaped(name)
            ));
        }
        self.add(&format!(
            "<text {FAINT} x=\"{LEFT}\" y=\"{}\">{}</text>",
            y + 34.0,
            escaped(kind)
        ));
        self.y += AXIS;
    }

    fn ratios(&mut self, ratios: &[Ratio], scale: &Scale) {
        self.y += 10.0;
        let (top, height) = (self.y, ROW * ratios.len() as f64);
        let (from, to) = (x(1.0 / MARGIN, scale), x(MARGIN, scale));
        self.add(&format!(
            "<rect {SAME} x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{height}\"/>\n\
             <path {LINE} stroke-dasharray=\"3 3\" d=\"M{one:.1} {top}V{}\"/>",
            to - from,
            top + height,
            one = x(1.0, scale),
        ));
        for ratio in ratios {
            let Ratio {
                low, middle, high, ..
            } = *ratio;
            let y = self.y + ROW / 2.0;
            self.name(&ratio.of, y - 2.0, FAINT);
            self.name(&format!("/ {}", ratio.to), y + 11.0, FAINT);
            self.row([low, middle, high], &times(middle), scale);
        }
        let ticks: Vec<_> = scale
            .ticks()
            .iter()
            .map(|tick| (*tick, times(*tick)))
            .collect();
        self.axis(
            scale,
            &ticks,
            "ratios, logarithmic scale; shaded: about the same",
        );
    }

    fn add(&mut self, element: &str) {
        let _ = writeln!(self.body, "{element}");
    }
}

fn x(value: f64, scale: &Scale) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * scale.place(value)
}

/// Describes in words everything that the picture shows.
fn description(entry: &Entry) -> String {
    let figure = |figure: &Figure| {
        let [middle, low, high] =
            [figure.middle, figure.low, figure.high].map(|value| shown(figure.unit, value));
        format!("{}: {middle} ({low} to {high})", figure.name)
    };
    let notes = &entry.notes;
    let figures = notes.figures.iter().map(figure);
    let all: Vec<String> = figures
        .chain(notes.ratios.iter().map(Ratio::to_string))
        .collect();
    let separator = match entry.verdict {
        Verdict::HoldsWhen => "",
        _ => ":",
    };
    format!(
        "{}. Verdict: {}{separator} {}",
        all.join("; "),
        entry.verdict,
        entry.reason
    )
}

#[cfg(test)]
mod tests {
    use records::ledger::{Notes, Truth, Unit};

    use super::*;

    fn entry(values: &[f64]) -> Entry {
        let mut notes = Notes::default();
        for &value in values {
            notes.figures.push(Figure {
                name: "fork & <wait>".to_owned(),
                unit: Unit::Nanoseconds,
                middle: value,
                low: value,
                high: value,
                samples: vec![value; 3],
            });
        }
        for pair in values.windows(2) {
            let ratio = pair[1] / pair[0];
            notes.ratios.push(Ratio {
                of: "new & old".to_owned(),
                to: "before".to_owned(),
                middle: ratio,
                low: ratio,
                high: ratio,
            });
        }
        Entry {
            number: 21,
            says: "a < b".to_owned(),
            lessons: Vec::new(),
            truth: Truth::Wrong,
            verdict: Verdict::DoesNotHold,
            reason: "because".to_owned(),
            millis: 0,
            attempts: 1,
            notes,
        }
    }

    #[test]
    fn a_picture_says_what_it_shows_and_scales() {
        let picture = svg(&entry(&[1e3, 1e6])).unwrap();
        for part in [
            "viewBox=",
            "role=\"img\"",
            "<title id=\"claim-21-title\">a &lt; b</title>",
            "fork &amp; &lt;wait&gt;: 1.00 µs (1.00 µs to 1.00 µs); ",
            "new &amp; old / before: 1000 (1000 to 1000)",
            "prefers-color-scheme:dark",
            "logarithmic scale",
            "font-weight=\"bold\" x=\"8\" y=\"20\">a &lt; b</text>",
            "claim 21: does not hold</text>",
            ">10.0 µs</text>",
            ">100</text>",
        ] {
            assert!(picture.contains(part), "{part} is missing in\n{picture}");
        }
        assert!(!picture.contains("NaN") && !picture.contains("inf"));
    }

    #[test]
    fn without_its_style_sheet_every_element_has_its_color() {
        let picture = svg(&entry(&[1e3, 2e3])).unwrap();
        let (before, rest) = picture.split_once("<style>").unwrap();
        let (_, after) = rest.split_once("</style>").unwrap();
        assert!(!picture.contains("var("), "{picture}");
        for element in format!("{before}{after}").split('<').skip(1) {
            let drawn = ["text ", "path ", "circle ", "rect "];
            if drawn.iter().any(|name| element.starts_with(name)) {
                assert!(
                    element.contains("fill=\"#") || element.contains("stroke=\"#"),
                    "{element}"
                );
            }
        }
    }

    #[test]
    fn an_interval_has_two_ends_that_the_median_does_not_hide() {
        let mut entry = entry(&[100.0]);
        entry.notes.figures[0].low = 99.0;
        let picture = svg(&entry).unwrap();
        let path = picture.split("<path class=\"mark\"").nth(1).unwrap();
        assert_eq!(path.split("/>").next().unwrap().matches('V').count(), 2);
        let ring = picture.split("<circle ").nth(1).unwrap();
        assert!(ring.split("/>").next().unwrap().contains("fill=\"none\""));
    }

    #[test]
    fn without_figures_there_is_no_picture() {
        assert!(svg(&entry(&[])).is_none());
        assert!(svg(&entry(&[0.0])).is_some());
    }
}
