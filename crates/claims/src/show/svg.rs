//! Charts for the book: one picture for each claim, with a description for screen
//! readers, and with colors for light and dark pages.

use std::fmt::Write;

use records::ledger::{Entry, Figure, Verdict};

use super::scale::Scale;
use super::words::shown;

const WIDTH: f64 = 640.0;
const ROW: f64 = 30.0;
const LEFT: f64 = 210.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;

/// Draws the figures of an entry as dots with their intervals. Returns `None` if
/// the entry has no figures.
///
/// The picture scales to the width of its page, describes its contents to readers
/// who do not see it, and follows the reader's color scheme.
#[must_use]
pub fn svg(entry: &Entry) -> Option<String> {
    let figures = &entry.notes.figures;
    let scale = Scale::of(figures)?;
    let height = TOP + ROW * figures.len() as f64 + BOTTOM;
    let id = entry.number;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" class=\"claim-chart\" \
         aria-labelledby=\"claim-{id}-title claim-{id}-desc\">\n\
         <title id=\"claim-{id}-title\">{}</title>\n<desc id=\"claim-{id}-desc\">{}</desc>\n{STYLE}",
        escaped(&entry.says),
        escaped(&description(entry)),
    );
    for (row, figure) in figures.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.5);
        draw_row(&mut text, figure, &scale, y);
    }
    let axis = match scale.logarithmic {
        true => "logarithmic scale",
        false => "linear scale from zero",
    };
    let _ = write!(
        text,
        "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\n\
         <text class=\"faint\" x=\"{LEFT}\" y=\"{}\">{axis}; \
         medians with 95 % confidence intervals</text>\n</svg>\n",
        WIDTH - RIGHT,
        height - 8.0,
        y = height - BOTTOM,
    );
    Some(text)
}

/// Colors with enough contrast on a light and on a dark background; the picture
/// itself has no background. A picture that is shown as a file of its own follows
/// the color scheme of the reader's system. A picture inside a page of the book
/// follows the theme that the reader chose there. The class keeps these rules from
/// changing other pictures on the page.
const STYLE: &str = concat!(
    "<style>\n",
    ".claim-chart{--ink:#222;--faint:#595959;--mark:#1a5fb4}\n",
    "@media (prefers-color-scheme:dark){\n",
    ".claim-chart{--ink:#e6e6e6;--faint:#b0b0b0;--mark:#8ab8ff}}\n",
    ":is(.light,.rust) .claim-chart{--ink:#222;--faint:#595959;--mark:#1a5fb4}\n",
    ":is(.coal,.navy,.ayu) .claim-chart{--ink:#e6e6e6;--faint:#b0b0b0;--mark:#8ab8ff}\n",
    ".claim-chart text{font:13px system-ui,sans-serif;fill:var(--ink)}\n",
    ".claim-chart .faint{font-size:11px;fill:var(--faint)}\n",
    ".claim-chart .axis{stroke:var(--faint)}\n",
    ".claim-chart .range{stroke:var(--mark);stroke-width:4;stroke-linecap:round}\n",
    ".claim-chart .middle{fill:var(--mark)}\n",
    "</style>\n"
);

fn draw_row(text: &mut String, figure: &Figure, scale: &Scale, y: f64) {
    let x = |value: f64| LEFT + (WIDTH - LEFT - RIGHT) * scale.place(value);
    let (low, middle, high) = (x(figure.low), x(figure.middle), x(figure.high));
    let _ = write!(
        text,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
         <line class=\"range\" x1=\"{low:.1}\" x2=\"{high:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\n\
         <circle class=\"middle\" cx=\"{middle:.1}\" cy=\"{y:.1}\" r=\"6\"/>\n\
         <text x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
        LEFT - 12.0,
        y + 4.0,
        escaped(&figure.name),
        high + 12.0,
        y + 4.0,
        escaped(&shown(figure.unit, figure.middle)),
    );
}

/// Describes in words everything that the picture shows.
fn description(entry: &Entry) -> String {
    let figure = |figure: &Figure| {
        let [middle, low, high] =
            [figure.middle, figure.low, figure.high].map(|value| shown(figure.unit, value));
        format!("{}: {middle} ({low} to {high})", figure.name)
    };
    let figures: Vec<String> = entry.notes.figures.iter().map(figure).collect();
    let separator = match entry.verdict {
        Verdict::HoldsWhen => "",
        _ => ":",
    };
    format!(
        "{}. Verdict: {}{separator} {}",
        figures.join("; "),
        entry.verdict,
        entry.reason
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use context_switch::sampling::Samples;
    use records::ledger::{Truth, Unit};

    use super::*;
    use crate::Record;

    fn entry(values: &[f64]) -> Entry {
        let mut record = Record::default();
        for &value in values {
            let samples = Samples::new(vec![value; 3]).unwrap();
            record.figure("fork & <wait>", Unit::Nanoseconds, &samples);
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
            notes: record.into(),
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
            "prefers-color-scheme:dark",
            "logarithmic scale",
        ] {
            assert!(picture.contains(part), "{part} is missing in\n{picture}");
        }
        assert!(!picture.contains("NaN") && !picture.contains("inf"));
    }

    #[test]
    fn without_figures_there_is_no_picture() {
        assert!(svg(&entry(&[])).is_none());
        assert!(svg(&entry(&[0.0])).is_some());
    }
}
