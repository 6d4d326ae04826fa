//! A judgement as a learner reads it, in lines for a screen or a terminal.
//!
//! ```text
//! ✓ one_thread_may_lock_again                                         2 ms
//! ✗ a_panic_releases_the_lock                              deadlock 402 ms
//!     thread 2 waits for a lock that no thread will release
//!     at src/lib.rs:31
//! ```

use std::time::Duration;

use judging::build::compiled::{Part, Uncompiled};
use judging::judge::{Judgement, Known};
use judging::mistake;
use judging::terminal::words;
use proctor::{Outcome, Record};

use crate::text::{Line, Look, ansi, width};

/// Where and how a verdict is shown.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
    /// The width.
    pub columns: usize,
    /// Whether this is a page of the loop, which has keys and can be scrolled.
    pub on_a_page: bool,
    /// Whether a known mistake is explained, and not only named. An explanation
    /// may tell what the solution is.
    pub explains: bool,
    /// Whether each timeline is drawn, or only the first.
    pub every_timeline: bool,
    /// The name of the source, if it is not the learner's file.
    pub source: Option<&'a str>,
}

/// The whole judgement, but not what to do next.
pub fn verdict(judgement: &Judgement, layout: &Layout) -> Vec<Line> {
    let mut lines = match &judgement.uncompiled {
        Some(uncompiled) => {
            let mut lines = diagnostics(&judgement.exercise, uncompiled, layout);
            lines.extend(judgement.known.as_ref().map(|known| guess(known, layout)));
            lines
        }
        None => records(judgement, layout),
    };
    if let Some(known) = judgement.known.as_ref().filter(|_| layout.explains) {
        lines.push(Line::empty());
        lines.extend(known_mistake(known));
    }
    lines
}

/// The explanation of a mistake that the course knows.
pub fn known_mistake(known: &Known) -> Vec<Line> {
    vec![
        Line::of(mistake::HEADING, Look::Strong).then(format!(" {}", known.what), Look::Plain),
        Line::plain(&known.explain),
    ]
}

/// The same in one line.
fn guess(known: &Known, layout: &Layout) -> Line {
    let line = Line::of("    this may be: ", Look::Unsure).then(&known.what, Look::Plain);
    match layout.on_a_page {
        true => line.then(" (m explains it)", Look::Faint),
        false => line,
    }
}

/// The compiler's words. Where they scroll by, they are left as they are. On a
/// page, what does not fit is wrapped: the end of a line says what is wrong.
fn diagnostics(id: &str, uncompiled: &Uncompiled, layout: &Layout) -> Vec<Line> {
    let mut said = ansi::lines(uncompiled.said.trim_end());
    for line in &mut said {
        line.fixed = match layout.on_a_page {
            true => line.fixed && line.width() <= layout.columns,
            false => true,
        };
    }
    // Errors in the tests are not the learner's words: ours come first.
    let remark = Line::of(remark(id, uncompiled), Look::Strong);
    let (first, last) = match uncompiled.part {
        Part::File => (said, vec![remark]),
        Part::Tests | Part::Explored => (vec![remark], said),
    };
    first
        .into_iter()
        .chain([Line::empty()])
        .chain(last)
        .collect()
}

fn records(judgement: &Judgement, layout: &Layout) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut drawn = false;
    let mut said = "";
    let mut records: Vec<&Record> = judgement.records.iter().collect();
    if layout.on_a_page {
        // A page is read from its top: what failed must not lie below its end.
        records.sort_by_key(|record| record.outcome == Outcome::Pass);
    }
    for record in records {
        // If several tests in a row have the same cause (as with a stub), it is
        // shown once.
        let failed = record.outcome != Outcome::Pass;
        let repeats = failed && said == record.cause && record.timeline.is_none();
        lines.push(headline(record, repeats, layout.columns));
        if !failed {
            continue;
        }
        if !repeats {
            let draw = layout.every_timeline || !drawn;
            lines.extend(details(&judgement.exercise, record, draw, layout));
            drawn |= record.timeline.is_some();
        }
        said = &record.cause;
        let its = judgement.known.as_ref();
        lines.extend(
            its.filter(|known| known.test == record.test)
                .map(|known| guess(known, layout)),
        );
    }
    for test in &judgement.pending {
        let line = Line::of("… ", Look::Unsure).then(test, Look::Plain);
        lines.push(line.then("  still to come", Look::Faint));
    }
    for test in &judgement.unrun {
        let line = Line::of("- ", Look::Faint).then(test, Look::Plain);
        lines.push(line.then("  not run yet", Look::Faint));
    }
    if !judgement.unrun.is_empty() && layout.on_a_page {
        lines.push(Line::empty());
        let left = words::count(judgement.unrun.len(), "test");
        lines.push(Line::of("g", Look::Strong).then(
            format!(
                " goes on with the other {left}: the run ended when a test reached its deadline."
            ),
            Look::Plain,
        ));
    }
    // Below a timeline there is one already.
    if lines.last().is_some_and(|line| !line.spans.is_empty()) {
        lines.push(Line::empty());
    }
    lines.push(summary(judgement));
    if judgement.warnings > 0 {
        let warnings = words::count(judgement.warnings, "warning");
        let id = &judgement.exercise;
        lines.extend([
            Line::of(
                format!("the compiler printed {warnings}; to read them:"),
                Look::Faint,
            ),
            Line::fixed(format!("  cargo check -p {id}"), Look::Code),
        ]);
    }
    lines
}

/// The test, its outcome and its time. If it `repeats` the cause of the one
/// above, it says that.
fn headline(record: &Record, repeats: bool, columns: usize) -> Line {
    let (mark, look) = match record.outcome {
        Outcome::Pass => ("✓ ", Look::Good),
        Outcome::NotJudged => ("? ", Look::Unsure),
        _ => ("✗ ", Look::Bad),
    };
    let time = words::time(Duration::from_millis(record.millis));
    let mut line = Line::of(mark, look).then(&record.test, Look::Plain);
    if repeats && !record.cause.is_empty() {
        line = line.then("  as above", Look::Faint);
    }
    let outcome = match record.outcome {
        Outcome::Pass => String::new(),
        other => format!("{other} "),
    };
    let right = width(&outcome) + width(&time);
    // If the gap is too wide, the eye does not find the way from a name to its time.
    let columns = columns.min(90);
    match columns.checked_sub(line.width() + right) {
        Some(gap) if gap >= 2 => Line {
            fixed: true,
            ..line
                .then(" ".repeat(gap), Look::Plain)
                .then(outcome, look)
                .then(time, Look::Faint)
        },
        _ => line.then(format!(" {}", outcome.trim_end()), look),
    }
}

/// The cause and the line of a failure, and its timeline if `draw` is set.
fn details(exercise: &str, record: &Record, draw: bool, layout: &Layout) -> Vec<Line> {
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
        let picture = timeline.picture(layout.columns.saturating_sub(2));
        let rows = picture.lines();
        lines.extend(rows.map(|row| Line::fixed(format!("  {row}"), Look::Plain)));
        lines.push(Line::empty());
    }
    if let Some(schedule) = &record.schedule {
        lines.extend(commands(exercise, record, schedule, draw, layout));
    }
    lines
}

/// The commands with which a learner looks at a schedule. Each has a line of its
/// own, so that it can be copied. Below the first timeline they are explained.
fn commands(
    exercise: &str,
    record: &Record,
    schedule: &str,
    explained: bool,
    layout: &Layout,
) -> Vec<Line> {
    let of = layout
        .source
        .map_or(String::new(), |name| format!(" --source {name}"));
    let names_its_scenario = schedule.contains(':');
    let test = match names_its_scenario {
        true => String::new(),
        false => format!(" --test {}", record.test),
    };
    let replay = format!("cargo course replay {exercise} {schedule}{test}{of}");
    if !explained {
        return vec![Line::fixed(format!("    $ {replay}"), Look::Code)];
    }
    let key = |key: &str| match layout.on_a_page {
        true => format!(" (or press {key})"),
        false => String::new(),
    };
    let mut lines = vec![
        Line::of(
            format!("    Run this schedule again{}:", key("a")),
            Look::Faint,
        ),
        Line::fixed(format!("      {replay}"), Look::Code),
    ];
    if names_its_scenario {
        let play = format!("cargo course schedule {exercise} {schedule}{of}");
        lines.extend([
            Line::of(
                format!(
                    "    Go through it step by step, and be the scheduler{}:",
                    key("x")
                ),
                Look::Faint,
            ),
            Line::fixed(format!("      {play}"), Look::Code),
        ]);
    }
    lines.push(Line::empty());
    lines
}

fn summary(judgement: &Judgement) -> Line {
    let all = judgement.records.len();
    let line = if judgement.failed() + judgement.not_judged() == 0 && !judgement.pending.is_empty()
    {
        let pending = words::count(judgement.pending.len(), "test");
        let passed = words::count(all, "test");
        Line::of(
            format!("{passed} passed, {pending} still running"),
            Look::Unsure,
        )
    } else if judgement.is_passed() {
        Line::of(
            format!("all {} passed", words::count(all, "test")),
            Look::Good,
        )
    } else {
        let failed = Line::of(format!("{} of {all} failed", judgement.failed()), Look::Bad);
        match judgement.not_judged() {
            0 => failed,
            some => failed
                .then(", ", Look::Plain)
                .then(format!("{some} could not be judged"), Look::Unsure),
        }
    };
    let times = format!(
        " (built in {}, tested in {})",
        words::time(judgement.built),
        words::time(judgement.ran)
    );
    line.then(times, Look::Faint)
}

/// A sentence that says why no test ran.
fn remark(id: &str, uncompiled: &Uncompiled) -> String {
    match &uncompiled.part {
        _ if uncompiled.outcome == Outcome::Refused => {
            "Your file uses something that this exercise does not allow, so no test ran.".to_owned()
        }
        _ if uncompiled.outcome == Outcome::Limit => {
            "The compiler exceeded a limit, so no test ran.".to_owned()
        }
        Part::File => "Your file does not compile yet, so no test ran.".to_owned(),
        Part::Tests => match &uncompiled.sentence {
            Some(sentence) => {
                format!("Your file compiles, but the tests cannot use it: {sentence}.")
            }
            None => "Your file compiles, but the tests cannot use it: keep the names and signatures of the stub."
                .to_owned(),
        },
        Part::Explored => format!(
            "Your file compiles, but not as it is explored: for that, the same source is compiled against another \
             std. If you add a dependency to Cargo.toml, add it to explored/Cargo.toml of {id} as well."
        ),
    }
}
