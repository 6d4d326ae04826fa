//! Figures: pictures of traces that programs of the course have recorded.
//!
//! Each figure is an SVG, a text alternative that is computed from the trace, and
//! a table with all its events. So it works without a script, in print, and with
//! a screen reader, and text and picture cannot drift apart.

mod bars;
mod lanes;
mod map;

use std::fmt::Write as _;

use serde::Deserialize;

use crate::directive::escaped;

/// A trace as a program prints it.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Trace {
    Lanes(lanes::Lanes),
    Map(map::Map),
    Bars(bars::Bars),
}

/// How a part of a picture looks. Each has a color and a pattern of its own, and
/// the label says the same in words.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Look {
    #[default]
    Plain,
    Runs,
    Ready,
    Waits,
    Ended,
    Wrong,
    Own,
    Shared,
    Stack,
    Heap,
    Code,
    Guard,
    Free,
}

impl Look {
    /// Fill and outline, from the palette of Okabe and Ito (2008), light enough
    /// for dark text on it.
    fn colors(self) -> (&'static str, &'static str) {
        match self {
            Look::Plain => ("#f0f0f0", "#595959"),
            Look::Runs | Look::Own => ("#cfe6f5", "#0072b2"),
            Look::Ready | Look::Heap => ("#fdeecb", "#b37400"),
            Look::Waits | Look::Code => ("#e8e8e8", "#767676"),
            Look::Ended | Look::Free => ("#ffffff", "#999999"),
            Look::Wrong | Look::Guard => ("#f9d9c6", "#d55e00"),
            Look::Shared => ("#cdeee3", "#00805a"),
            Look::Stack => ("#f3dcea", "#a8487f"),
        }
    }

    fn dashes(self) -> &'static str {
        match self {
            Look::Waits | Look::Free | Look::Ready => " stroke-dasharray=\"4 3\"",
            _ => "",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Look::Plain => "",
            Look::Runs => "runs",
            Look::Ready => "is ready to run",
            Look::Waits => "waits",
            Look::Ended => "has ended",
            Look::Wrong => "goes wrong",
            Look::Own => "its own",
            Look::Shared => "shared",
            Look::Stack => "stack",
            Look::Heap => "heap",
            Look::Code => "code",
            Look::Guard => "guard",
            Look::Free => "free",
        }
    }
}

/// A picture, and everything that it shows as rows of a table.
struct Drawn {
    svg: String,
    width: f64,
    height: f64,
    /// The text alternative: what is shown, in a sentence.
    alternative: String,
    head: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

const MOST_LETTERS: usize = 24;

/// Draws the trace of a recording as a picture that stands alone, on a light
/// background.
pub(crate) fn alone(name: &str, output: &str) -> Result<String, String> {
    let Drawn {
        svg,
        width,
        height,
        alternative,
        ..
    } = drawn(name, output)?;
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         font-family=\"system-ui,sans-serif\" font-size=\"13\" color=\"#1a1a1a\">\n\
         <title>{}</title>\n<rect width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"#ffffff\"/>\n{svg}</svg>\n",
        escaped(&alternative)
    ))
}

fn drawn(name: &str, output: &str) -> Result<Drawn, String> {
    let trace: Trace =
        serde_json::from_str(output).map_err(|error| format!("{name} is no trace: {error}"))?;
    match &trace {
        Trace::Lanes(lanes) => lanes.draw(),
        Trace::Map(map) => map.draw(),
        Trace::Bars(bars) => bars.draw(),
    }
    .map_err(|why| format!("{name}: {why}"))
}

/// Draws the trace of a recording.
pub(crate) fn draw(name: &str, output: &str, command: &str) -> Result<String, String> {
    let Drawn {
        svg,
        width,
        height,
        alternative,
        head,
        rows,
    } = drawn(name, output)?;
    let mut text = format!(
        "<figure class=\"trace\" id=\"figure-{name}\">\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"figure-{name}-alt\" font-family=\"system-ui,sans-serif\" font-size=\"13\">\n\
         <title id=\"figure-{name}-alt\">{}</title>\n{svg}</svg>\n\
         <figcaption>Recorded by <code>{}</code></figcaption>\n\
         <details><summary>The figure as a table</summary>\n<div class=\"table-wrapper\"><table><thead><tr>",
        escaped(&alternative),
        escaped(command),
    );
    for cell in head {
        let _ = write!(text, "<th>{cell}</th>");
    }
    text += "</tr></thead><tbody>\n";
    for row in rows {
        text += "<tr>";
        for cell in row {
            let _ = write!(text, "<td>{}</td>", escaped(&cell));
        }
        text += "</tr>\n";
    }
    text += "</tbody></table></div></details>\n</figure>";
    Ok(text)
}

/// A box with a text in it, cut if it would not fit.
fn boxed(x: f64, y: f64, width: f64, height: f64, look: Look, text: &str) -> String {
    boxed_lines(x, y, width, height, look, &[text.to_owned()])
}

/// A box with lines of text in it, each cut if it would not fit.
fn boxed_lines(x: f64, y: f64, width: f64, height: f64, look: Look, lines: &[String]) -> String {
    const LINE: f64 = 13.0;
    let (fill, stroke) = look.colors();
    let mut svg = format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"3\" fill=\"{fill}\" stroke=\"{stroke}\"{}/>\n",
        look.dashes()
    );
    let letters = letters_in(width);
    let first = y + height / 2.0 + 4.0 - LINE * (lines.len() as f64 - 1.0) / 2.0;
    for (number, text) in lines.iter().enumerate() {
        if letters >= 2 && !text.is_empty() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#1a1a1a\">{}</text>",
                x + width / 2.0,
                first + LINE * number as f64,
                escaped(&cut(text, letters))
            );
        }
    }
    svg
}

/// How many letters fit into a box.
fn letters_in(width: f64) -> usize {
    ((width - 4.0) / 6.0).max(0.0) as usize
}

fn cut(text: &str, letters: usize) -> String {
    match text.chars().count() > letters {
        true => text
            .chars()
            .take(letters.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text.to_owned(),
    }
}

/// A text outside boxes: in the page's own color.
fn label(x: f64, y: f64, anchor: &str, text: &str) -> String {
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"currentColor\">{}</text>\n",
        escaped(text)
    )
}

/// An arrow from one point to another.
fn arrow(from: (f64, f64), to: (f64, f64)) -> String {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy).max(1.0);
    let (ux, uy) = (dx / length, dy / length);
    let tip = |side: f64| {
        let (back, out) = (8.0, 4.0 * side);
        (to.0 - back * ux - out * uy, to.1 - back * uy + out * ux)
    };
    let (left, right) = (tip(1.0), tip(-1.0));
    format!(
        "<path d=\"M{:.1} {:.1}L{:.1} {:.1}M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.3\"/>\n",
        from.0, from.1, to.0, to.1, left.0, left.1, to.0, to.1, right.0, right.1
    )
}

fn check_label(text: &str) -> Result<(), String> {
    match text.chars().count() > MOST_LETTERS {
        true => Err(format!(
            "the label {text:?} is longer than {MOST_LETTERS} letters"
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_drawn_with_its_alternative_and_its_table() {
        for (trace, alternative, row) in [
            (
                r#"{"kind":"lanes","axis":"steps","lanes":[{"name":"thread A","spans":[{"from":0,"to":2,"label":"load 0","look":"runs"}]},{"name":"B","spans":[]}],"arrows":[{"from":{"lane":0,"at":2},"to":{"lane":1,"at":3},"label":"wakes"}]}"#,
                "thread A: load 0 (runs), steps 0 to 2",
                "<td>thread A</td><td>load 0</td><td>runs</td>",
            ),
            (
                r#"{"kind":"map","columns":[{"name":"parent","cells":[{"label":"page 0","value":"frame 1","look":"shared"}]},{"name":"child","cells":[{"label":"page 0"}]}],"links":[{"from":{"column":0,"cell":0},"to":{"column":1,"cell":0}}]}"#,
                "parent: page 0, frame 1 (shared)",
                "<td>parent</td><td>page 0</td><td>frame 1</td><td>shared</td>",
            ),
            (
                r#"{"kind":"bars","unit":"system calls","bars":[{"name":"pipe <a>","value":4}]}"#,
                "pipe &lt;a&gt;: 4 system calls",
                "<td>pipe &lt;a&gt;</td><td>4</td>",
            ),
        ] {
            let drawn = draw("x", trace, "cargo run").unwrap();
            assert!(drawn.contains(alternative), "{drawn}");
            assert!(drawn.contains(row), "{drawn}");
            assert!(!drawn.contains("NaN") && !drawn.contains("\n\n"), "{drawn}");
        }
    }

    #[test]
    fn a_trace_that_is_none_is_named() {
        for trace in [
            "",
            "{}",
            r#"{"kind":"lanes","axis":"steps","lanes":[]}"#,
            r#"{"kind":"bars","unit":"x","bars":[{"name":"much too long for a label here","value":1}]}"#,
            r#"{"kind":"lanes","axis":"steps","lanes":[{"name":"a","spans":[{"from":3,"to":2,"label":"x"}]}]}"#,
        ] {
            assert!(
                draw("name", trace, "").unwrap_err().starts_with("name"),
                "{trace}"
            );
        }
    }
}
