//! What the judge found: the same words as `cargo course check`, laid out for
//! the width of the screen.

use std::time::Duration;

use proctor::{Outcome, Record};

use crate::live::ansi;
use crate::live::state::State;
use crate::live::text::{Line, Look, width};
use crate::show;
use judging::judge::Judgement;
use judging::mistake;
use judging::terminal::words;

/// The verdict, or why there is none.
pub(super) fn page(state: &State) -> Vec<Line> {
    if let Some(missing) = &state.missing {
        let id = &state.card().id;
        return vec![
            Line::of(missing, Look::Bad),
            Line::empty(),
            Line::plain(format!(
                "It was renamed or deleted. Put it back, and the course goes on by itself. Or press r, which \
                 restores {id} as the course gave it to you, without what you wrote."
            )),
        ];
    }
    match &state.report {
        None => vec![Line::of("No verdict yet.", Look::Faint)],
        Some(Err(trouble)) => trouble
            .lines()
            .map(|line| Line::of(line, Look::Unsure))
            .collect(),
        Some(Ok(report)) => of(report, state.size.0),
    }
}

fn of(judgement: &Judgement, columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    if let Some(uncompiled) = &judgement.uncompiled {
        lines.extend(ansi::lines(uncompiled.said.trim_end()));
        lines.push(Line::empty());
        lines.push(Line::of(
            show::remark(&judgement.exercise, uncompiled),
            Look::Strong,
        ));
        return lines;
    }
    // What helps most comes first, because the details may fill several screens.
    if let Some(known) = &judgement.known {
        let what = format!(" {}", known.what);
        lines.push(Line::of(mistake::HEADING, Look::Strong).then(what, Look::Plain));
        lines.push(Line::plain(&known.explain));
        lines.push(Line::empty());
    }
    let mut drawn = false;
    let mut said = "";
    for record in &judgement.records {
        lines.push(headline(record, columns));
        // If several tests in a row have the same cause (as with a stub), it is
        // shown once.
        if record.outcome != Outcome::Pass {
            if said != record.cause || record.timeline.is_some() {
                lines.extend(details(&judgement.exercise, record, !drawn, columns));
                drawn |= record.timeline.is_some();
            }
            said = &record.cause;
        }
    }
    for test in &judgement.pending {
        lines.push(Line::of("… ", Look::Unsure).then(test, Look::Plain));
    }
    lines.push(Line::empty());
    lines.push(Line::of(
        format!(
            "built in {}, tested in {}",
            words::time(judgement.built),
            words::time(judgement.ran)
        ),
        Look::Faint,
    ));
    if judgement.warnings > 0 {
        let warnings = words::count(judgement.warnings, "warning");
        let id = &judgement.exercise;
        lines.push(Line::of(
            format!("the compiler has {warnings}; to see more: cargo check -p {id}"),
            Look::Faint,
        ));
    }
    lines
}

fn headline(record: &Record, columns: usize) -> Line {
    let (mark, look) = match record.outcome {
        Outcome::Pass => ("✓ ", Look::Good),
        Outcome::NotJudged => ("? ", Look::Unsure),
        _ => ("✗ ", Look::Bad),
    };
    let time = words::time(Duration::from_millis(record.millis));
    let line = Line::of(mark, look).then(&record.test, Look::Plain);
    let outcome = match record.outcome {
        Outcome::Pass => String::new(),
        other => format!("{other} "),
    };
    let right = width(&outcome) + width(&time);
    // If the gap is too wide, the eye does not find the way from a name to its time.
    let columns = columns.min(90);
    match columns.checked_sub(line.width() + right) {
        Some(gap) if gap >= 2 => line
            .then(" ".repeat(gap), Look::Plain)
            .then(outcome, look)
            .then(time, Look::Faint),
        _ => line.then(format!(" {}", outcome.trim_end()), look),
    }
}

/// The cause and the line of a failure, and its timeline if `draw` is set. (One
/// timeline is enough to begin with.)
fn details(exercise: &str, record: &Record, draw: bool, columns: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in record.cause.trim_end().lines() {
        lines.push(Line {
            fixed: line.starts_with([' ', '\t']) && line.len() > 60,
            ..Line::plain(format!("    {line}"))
        });
    }
    if let Some(place) = &record.at {
        lines.push(Line::of("    at ", Look::Faint).then(place.to_string(), Look::Code));
    }
    if let Some(timeline) = record.timeline.as_ref().filter(|_| draw) {
        lines.push(Line::empty());
        let picture = timeline.picture(columns.saturating_sub(2));
        let rows = picture.lines();
        lines.extend(rows.map(|row| Line::fixed(format!("  {row}"), Look::Plain)));
        lines.push(Line::empty());
    }
    if let Some(schedule) = &record.schedule {
        lines.push(
            Line::of(
                if draw {
                    "    see it again: "
                } else {
                    "    see it: "
                },
                Look::Faint,
            )
            .then(
                format!(
                    "cargo course replay {exercise} {schedule} --test {}",
                    record.test
                ),
                Look::Code,
            ),
        );
        if let Some((scenario, _)) = schedule.split_once(':') {
            lines.push(Line::of("    be the scheduler: ", Look::Faint).then(
                format!("cargo course schedule {exercise} {scenario}"),
                Look::Code,
            ));
        }
    }
    lines
}

/// Every exchange of every test.
pub(super) fn explained(state: &State) -> Vec<Line> {
    match &state.report {
        Some(Ok(report)) if report.uncompiled.is_none() => ansi::lines(&show::explain(report)),
        _ => page(state),
    }
}
