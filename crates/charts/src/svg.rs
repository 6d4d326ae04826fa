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
//!
//! The narrow form, for small screens, has each name and value above its interval.

use std::fmt::Write;

use records::ledger::{Entry, Figure, Ratio, Verdict, times};

use crate::{Scale, escaped, shown, wrapped};

const ROW: f64 = 30.0;
const TITLE_LINE: f64 = 20.0;
/// The height of a small line of text.
const SMALL_LINE: f64 = 14.0;
/// The room for the numbers below an axis, and for what the axis is.
const AXIS: f64 = 44.0;
/// Ratios between 1 / this and this count as "about the same".
const MARGIN: f64 = 1.5;

/// A form of the picture.
struct Form {
    /// A word for its class and its ids.
    word: &'static str,
    width: f64,
    /// The room before and after the axes.
    left: f64,
    right: f64,
    /// Names and values are above the intervals, and not beside them.
    above: bool,
    /// The least distance between two numbers of an axis.
    ticks_apart: f64,
    /// How many small letters fit into a line.
    letters: usize,
}

const WIDE: Form = Form {
    word: "",
    width: 640.0,
    left: 224.0,
    right: 90.0,
    above: false,
    ticks_apart: 0.0,
    letters: 84,
};

const NARROW: Form = Form {
    word: "narrow-",
    width: 330.0,
    left: 26.0,
    right: 24.0,
    above: true,
    ticks_apart: 46.0,
    letters: 46,
};

/// Draws the figures of an entry as medians with their intervals, and the ratios
/// that decide. Returns `None` if the entry has no figures.
///
/// The picture scales to the width of its page, and describes its contents to
/// readers who do not see it. Viewers that know no style sheets show it in dark
/// colors for a light background; others follow the reader's color scheme.
#[must_use]
pub fn svg(entry: &Entry) -> Option<String> {
    draw(entry, &WIDE)
}

/// The same for a page about 330 pixels wide: without the sentence of the claim
/// and its verdict, and without a style sheet. It takes the one of [`svg`], which
/// has to be on the same page.
#[must_use]
pub fn narrow_svg(entry: &Entry) -> Option<String> {
    draw(entry, &NARROW)
}

fn draw(entry: &Entry, form: &'static Form) -> Option<String> {
    let figures = &entry.notes.figures;
    let scale = Scale::of(figures)?;
    let unit = figures.first()?.unit;
    let mut picture = Picture {
        body: String::new(),
        y: 0.0,
        form,
    };
    if !form.above {
        picture.title(entry);
    }
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
    let Picture { body, y, .. } = picture;
    let (style, class) = match form.above {
        false => (STYLE, "claim-chart wide"),
        true => ("", "claim-chart narrow"),
    };
    let id = format!("claim-{}-{}", entry.number, form.word);
    let width = form.width;
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {y}\" role=\"img\" class=\"{class}\" \
         font-family=\"system-ui,sans-serif\" font-size=\"13\" \
         aria-labelledby=\"{id}title {id}desc\">\n\
         <title id=\"{id}title\">{}</title>\n<desc id=\"{id}desc\">{}</desc>\n{style}{body}</svg>\n",
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
struct Picture {
    body: String,
    /// The height until now.
    y: f64,
    form: &'static Form,
}

impl Picture {
    fn title(&mut self, entry: &Entry) {
        for line in wrapped(&entry.says, self.form.letters) {
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
        if self.form.above {
            self.above(std::slice::from_ref(&figure.name), &value, INK);
        } else {
            let y = self.y + ROW / 2.0 + 4.0;
            self.name(&figure.name, y, INK);
        }
        self.row([low, middle, high], &value, scale);
    }

    fn name(&mut self, name: &str, y: f64, look: &str) {
        self.add(&format!(
            "<text {look} x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>",
            self.form.left - 12.0,
            escaped(name)
        ));
    }

    /// A name and a value above an interval.
    fn above(&mut self, name: &[String], value: &str, look: &str) {
        self.y += 2.0;
        for (number, line) in name.iter().enumerate() {
            self.y += SMALL_LINE;
            let y = self.y;
            self.add(&format!(
                "<text {look} x=\"2\" y=\"{y:.1}\">{}</text>",
                escaped(line)
            ));
            if number == 0 {
                self.add(&format!(
                    "<text {INK} x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>",
                    self.form.width - 2.0,
                    escaped(value)
                ));
            }
        }
    }

    /// The interval between its two ends, and a ring at the median,
    /// through which the interval can be seen.
    fn row(&mut self, values: [f64; 3], value: &str, scale: &Scale) {
        let y = self.y + ROW / 2.0;
        let [low, middle, high] = values.map(|value| self.x(value, scale));
        let (top, bottom, text) = (y - 7.0, y + 7.0, y + 4.0);
        self.add(&format!(
            "<path {MARK} d=\"M{low:.1} {top:.1}V{bottom:.1}M{low:.1} {y:.1}H{high:.1}M{high:.1} {top:.1}V{bottom:.1}\"/>\n\
             <circle {MARK} cx=\"{middle:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
        ));
        if !self.form.above {
            self.add(&format!(
                "<text {INK} x=\"{:.1}\" y=\"{text:.1}\">{}</text>",
                high.max(middle + 4.0) + 8.0,
                escaped(value),
            ));
        }
        self.y += ROW;
    }

    /// The axis with its ticks, and what kind of axis it is.
    fn axis(&mut self, scale: &Scale, ticks: &[(f64, String)], kind: &str) {
        let y = self.y;
        let Form { left, letters, .. } = *self.form;
        let (end, bottom) = (self.form.width - self.form.right, y + 5.0);
        self.add(&format!("<path {LINE} d=\"M{left} {y}H{end}\"/>"));
        // On an axis of ratios, 1 comes first.
        let mut ticks: Vec<_> = ticks.iter().collect();
        ticks.sort_by_key(|(tick, _)| (tick - 1.0).abs() > f64::EPSILON);
        let mut taken: Vec<f64> = Vec::new();
        for (tick, name) in ticks {
            let x = self.x(*tick, scale);
            let apart = self.form.ticks_apart;
            if taken.iter().any(|other| (x - other).abs() < apart) {
                continue;
            }
            taken.push(x);
            self.add(&format!(
                "<path {LINE} d=\"M{x:.1} {y}V{bottom}\"/>\n\
                 <text {FAINT} x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                y + 17.0,
                escaped(name)
            ));
        }
        let kind = wrapped(kind, letters);
        let left = if self.form.above { 2.0 } else { left };
        for (number, line) in kind.iter().enumerate() {
            self.add(&format!(
                "<text {FAINT} x=\"{left}\" y=\"{}\">{}</text>",
                y + 34.0 + SMALL_LINE * number as f64,
                escaped(line)
            ));
        }
        self.y += AXIS + SMALL_LINE * (kind.len() - 1) as f64;
    }

    fn ratios(&mut self, ratios: &[Ratio], scale: &Scale) {
        self.y += 10.0;
        let top = self.y;
        // The band is behind the rows, and its height is that of the rows.
        let rows = std::mem::take(&mut self.body);
        for ratio in ratios {
            let Ratio {
                low, middle, high, ..
            } = *ratio;
            let value = times(middle);
            if self.form.above {
                let name = wrapped(&ratio_name(ratio), self.form.letters);
                self.above(&name, &value, FAINT);
            } else {
                let y = self.y + ROW / 2.0;
                self.name(&ratio.of, y - 2.0, FAINT);
                self.name(&format!("/ {}", ratio.to), y + 11.0, FAINT);
            }
            self.row([low, middle, high], &value, scale);
        }
        let rows = std::mem::replace(&mut self.body, rows);
        let (from, to) = (self.x(1.0 / MARGIN, scale), self.x(MARGIN, scale));
        self.add(&format!(
            "<rect {SAME} x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{}\"/>\n\
             <path {LINE} stroke-dasharray=\"3 3\" d=\"M{one:.1} {top}V{}\"/>",
            to - from,
            self.y - top,
            self.y,
            one = self.x(1.0, scale),
        ));
        self.body += &rows;
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

    fn x(&self, value: f64, scale: &Scale) -> f64 {
        let Form {
            width, left, right, ..
        } = *self.form;
        left + (width - left - right) * scale.place(value)
    }

    fn add(&mut self, element: &str) {
        let _ = writeln!(self.body, "{element}");
    }
}

fn ratio_name(ratio: &Ratio) -> String {
    format!("{} / {}", ratio.of, ratio.to)
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
mod tests;
