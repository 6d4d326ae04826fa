//! The explanation of one claim: everything that was found, and the code that
//! found it.

use std::fmt::Write;

use charts::{Scale, shown};
use records::ledger::{Entry, Fact, Figure, Ledger, Lesson, Verdict};
use unicode_width::UnicodeWidthStr;

use super::table::machine;
use super::words::{FAINT, STRONG, colour, styled, wrapped};
use crate::Claim;

/// Explains a claim with its entry, which is the only entry in the ledger.
#[must_use]
pub fn explanation(claim: &Claim, ledger: &Ledger) -> String {
    let mut text = String::new();
    for entry in &ledger.entries {
        let title = format!("{}. {}", claim.number, claim.says);
        for line in wrapped(&title, 0) {
            let _ = writeln!(text, "{}", styled(STRONG, line));
        }
        for line in wrapped(&said_by(claim), 0) {
            let _ = writeln!(text, "{}", styled(FAINT, line));
        }
        let _ = writeln!(text, "\n{}", judgement(entry));
        facts(&mut text, &entry.notes.facts);
        chart(&mut text, &entry.notes.figures);
        for ratio in &entry.notes.ratios {
            let _ = writeln!(text, "  {ratio}");
        }
    }
    let mut text = text.trim_end().to_owned();
    let _ = writeln!(text, "\n\n{}", machine(&ledger.machine).trim_end());
    let _ = write!(
        text,
        "\n{}\n{}",
        styled(FAINT, claim.file),
        claim.code().trim_end()
    );
    text
}

fn said_by(claim: &Claim) -> String {
    match claim.lessons {
        [] => "not claimed in any of the lessons".to_owned(),
        lessons => {
            let title = |lesson: &Lesson| format!("\"{lesson}\"");
            let titles: Vec<String> = lessons.iter().map(title).collect();
            format!("claimed in {}", titles.join(", "))
        }
    }
}

/// Returns the verdict in its color, and the reason.
fn judgement(entry: &Entry) -> String {
    let verdict = entry.verdict.to_string();
    let separator = match entry.verdict {
        Verdict::HoldsWhen => "",
        _ => ":",
    };
    let lines = wrapped(&format!("{verdict}{separator} {}", entry.reason), 4);
    let text = lines.join("\n    ");
    // This finds the verdict, because no verdict is longer than a line.
    let reason = text.strip_prefix(&verdict).unwrap_or_default();
    format!("{}{reason}", styled(colour(entry.verdict), &verdict))
}

fn facts(text: &mut String, facts: &[Fact]) {
    for (place, fact) in facts.iter().enumerate() {
        if place == 0 {
            text.push('\n');
        }
        let line = format!("{}: {}", fact.what, fact.found);
        for (place, line) in wrapped(&line, 4).into_iter().enumerate() {
            let indent = if place == 0 { 2 } else { 4 };
            let _ = writeln!(text, "{:indent$}{line}", "");
        }
    }
}

/// Draws a bar for each median.
fn chart(text: &mut String, figures: &[Figure]) {
    const BAR: f64 = 30.0;
    let Some(scale) = Scale::of(figures) else {
        return;
    };
    let widest = figures
        .iter()
        .map(|figure| figure.name.width())
        .max()
        .unwrap_or(0);
    text.push('\n');
    for figure in figures {
        let length = (BAR * scale.place(figure.middle)).round() as usize;
        let [middle, low, high] =
            [figure.middle, figure.low, figure.high].map(|value| shown(figure.unit, value));
        let pad = widest - figure.name.width();
        let _ = writeln!(
            text,
            "  {}{:pad$}  {:30} {middle} ({low} to {high})",
            figure.name,
            "",
            "▇".repeat(length.max(1))
        );
    }
    let axis = match scale.logarithmic {
        true => "medians with 95 % confidence intervals; the bars have a logarithmic scale",
        false => "medians with 95 % confidence intervals",
    };
    let _ = writeln!(text, "  {}\n", styled(FAINT, axis));
}
