//! Figures: pictures of traces that programs of the course have recorded.
//!
//! Each figure is an SVG, a text alternative that is computed from the trace, and
//! a table with all its events. So it works without a script, in print, and with
//! a screen reader, and text and picture cannot drift apart.

mod bars;
mod lanes;
mod map;
mod scenes;
mod schedules;
mod shapes;

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
    Schedules(schedules::Schedules),
    Scenes(scenes::Scenes),
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

    /// What to add in words to a text that a cell already shows: nothing if the
    /// text says it.
    fn added_to(self, text: &str) -> &'static str {
        let word = match self {
            Look::Ready => "ready",
            other => other.word(),
        };
        match text.contains(word) {
            true => "",
            false => self.word(),
        }
    }
}

/// A picture, and everything that it shows as rows of a table.
struct Drawn {
    svg: String,
    width: f64,
    height: f64,
    /// The text alternative: what is shown, in sentences.
    alternative: String,
    /// What lines and arrows mean, for the caption.
    legend: String,
    head: Vec<String>,
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

fn trace(name: &str, output: &str) -> Result<Trace, String> {
    serde_json::from_str(output).map_err(|error| format!("{name} is no trace: {error}"))
}

fn drawn(name: &str, output: &str) -> Result<Drawn, String> {
    match &trace(name, output)? {
        Trace::Lanes(lanes) => lanes.draw(),
        Trace::Map(map) => map.draw(),
        Trace::Bars(bars) => bars.draw(),
        Trace::Schedules(_) | Trace::Scenes(_) => Err("this is more than one picture".to_owned()),
    }
    .map_err(|why| format!("{name}: {why}"))
}

/// Draws the trace of a recording.
pub(crate) fn draw(name: &str, output: &str, command: &str) -> Result<String, String> {
    let moving = match trace(name, output)? {
        Trace::Schedules(schedules) => Some(schedules.draw(name, command)),
        Trace::Scenes(scenes) => Some(scenes.draw(name, command)),
        _ => None,
    };
    if let Some(html) = moving {
        return html.map_err(|why| format!("{name}: {why}"));
    }
    let Drawn {
        svg,
        width,
        height,
        alternative,
        legend,
        head,
        rows,
    } = drawn(name, output)?;
    let (head, rows) = without_empty_columns(head, rows);
    let space = if legend.is_empty() { "" } else { " " };
    let mut text = format!(
        "<figure class=\"trace\" id=\"figure-{name}\">\n\
         <div class=\"scrolls\">\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" style=\"max-width:{width}px\" role=\"img\" \
         aria-labelledby=\"figure-{name}-alt\" font-family=\"system-ui,sans-serif\" font-size=\"13\">\n\
         <title id=\"figure-{name}-alt\">{}</title>\n{svg}</svg>\n</div>\n\
         <p class=\"more\">Scroll sideways to see the whole picture.</p>\n\
         <figcaption>{}{space}Recorded by <code>{}</code></figcaption>\n\
         <details><summary>The figure as a table</summary>\n<div class=\"table-wrapper\"><table><thead><tr>",
        escaped(&alternative),
        escaped(&legend),
        escaped(command),
    );
    for cell in head {
        let _ = write!(text, "<th>{}</th>", escaped(&cell));
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

/// The table without the columns that have no text in any row.
fn without_empty_columns(
    head: Vec<String>,
    rows: Vec<Vec<String>>,
) -> (Vec<String>, Vec<Vec<String>>) {
    let is_kept: Vec<bool> = (0..head.len())
        .map(|column| rows.iter().any(|row| !row[column].is_empty()))
        .collect();
    let kept = |row: Vec<String>| {
        let cells = row.into_iter().zip(&is_kept);
        cells
            .filter_map(|(cell, kept)| kept.then_some(cell))
            .collect()
    };
    (kept(head), rows.into_iter().map(kept).collect())
}

/// Words as a list in a sentence: `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => words.concat(),
    }
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
mod tests;
