//! A judgement as a learner reads it.
//!
//! ```text
//! spin-lock · A lock out of one atomic
//!   ✓ one_thread_may_lock_again                               2 ms
//!   ✗ a_panic_releases_the_lock                    deadlock 402 ms
//!       thread 2 waits for a lock that nobody will release
//!       at src/lib.rs:31
//! ```

use std::fmt::Write;
use std::time::Duration;

use proctor::{Outcome, Record};

use judging::build::compiled::{Part, Uncompiled};
use judging::exercise::catalogue::Exercise;
use judging::judge::{Judgement, Known, Source};
use judging::mistake;
use judging::terminal::words::{self, BAD, FAINT, GOOD, STRONG, UNSURE, styled};

const WIDTH: usize = 96;

/// The whole judgement, but not what to do next.
pub fn judgement(exercise: &Exercise, source: &Source, judgement: &Judgement) -> String {
    let mut text = format!(
        "{} {} {}\n",
        styled(STRONG, &exercise.id),
        styled(FAINT, "·"),
        exercise.title
    );
    if let Some(uncompiled) = &judgement.uncompiled {
        text.push_str(&diagnostics(&exercise.id, uncompiled));
        return text;
    }
    let widest = judgement
        .records
        .iter()
        .map(|record| record.test.chars().count())
        .max()
        .unwrap_or(0);
    let mut said: Option<&str> = None;
    for record in &judgement.records {
        text.push_str(&headline(record, widest));
        // If several tests in a row have the same cause (as with a stub), it is
        // printed once.
        if said != Some(record.cause.as_str()) || record.timeline.is_some() {
            text.push_str(&details(exercise, source, record));
        }
        said = (record.outcome != Outcome::Pass).then_some(record.cause.as_str());
    }
    for test in &judgement.pending {
        let _ = writeln!(
            text,
            "  {} {test:widest$}  {}",
            styled(FAINT, '…'),
            styled(FAINT, "slow, still running")
        );
    }
    text.push_str(&summary(judgement));
    text
}

fn headline(record: &Record, widest: usize) -> String {
    let (mark, style) = match record.outcome {
        Outcome::Pass => ('✓', GOOD),
        Outcome::NotJudged => ('?', UNSURE),
        _ => ('✗', BAD),
    };
    let outcome = match record.outcome {
        Outcome::Pass => String::new(),
        other => other.to_string(),
    };
    let time = words::time(Duration::from_millis(record.millis));
    // The time is padded before it is styled, because escape sequences have no width.
    let pad = 22usize.saturating_sub(outcome.len());
    format!(
        "  {} {:widest$}  {}{}\n",
        styled(style, mark),
        record.test,
        styled(style, &outcome),
        styled(FAINT, format!("{time:>pad$}")),
    )
}

fn details(exercise: &Exercise, source: &Source, record: &Record) -> String {
    if record.outcome == Outcome::Pass {
        return String::new();
    }
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line(words::wrapped_lines(&record.cause, WIDTH, "      "));
    if let Some(place) = &record.at {
        line(format!("      {} {place}", styled(FAINT, "at")));
    }
    if let Some(timeline) = &record.timeline {
        line(format!(
            "\n{}\n",
            // The timeline has a wide margin of its own, so two spaces are
            // enough, and it fits into 100 columns.
            words::indented(&timeline.picture(WIDTH + 2), "  ")
        ));
    }
    if let Some(schedule) = &record.schedule {
        let of = match source {
            Source::Learner => String::new(),
            Source::Other { name, .. } => format!(" --source {name}"),
        };
        line(format!(
            "      {} cargo course replay {} {schedule} --test {}{of}",
            styled(FAINT, "see it again:"),
            exercise.id,
            record.test
        ));
        if let Some((scenario, _)) = schedule.split_once(':') {
            line(format!(
                "      {} cargo course schedule {} {scenario}{of}",
                styled(FAINT, "be the scheduler:"),
                exercise.id,
            ));
        }
    }
    text
}

fn diagnostics(id: &str, uncompiled: &Uncompiled) -> String {
    let mut text = format!("\n{}\n", uncompiled.said.trim_end());
    let remark = remark(id, uncompiled);
    let _ = writeln!(text, "\n{}", words::wrapped(&remark, WIDTH, ""));
    text
}

/// A sentence that says why no test ran.
pub(crate) fn remark(id: &str, uncompiled: &Uncompiled) -> String {
    match &uncompiled.part {
        _ if uncompiled.outcome == Outcome::Refused => {
            "Your file uses something that this exercise does not allow, so no test ran.".to_owned()
        }
        _ if uncompiled.outcome == Outcome::Limit => {
            "The compiler exceeded a limit, so no test ran.".to_owned()
        }
        Part::File => "Your file does not compile yet, so no test ran.".to_owned(),
        Part::Tests => {
            "Your file compiles, but the tests cannot use it: keep the names and signatures of the stub."
                .to_owned()
        }
        Part::World(world) => format!(
            "Your file compiles, but not in the world `{world}`. A world compiles the same source against another \
             std, in order to explore it. If you add a dependency to Cargo.toml, add it to \
             worlds/*/Cargo.toml of {id} as well."
        ),
    }
}

fn summary(judgement: &Judgement) -> String {
    let all = judgement.records.len();
    let times = format!(
        "built in {}, tested in {}",
        words::time(judgement.built),
        words::time(judgement.ran)
    );
    let what = if judgement.failed() + judgement.not_judged() == 0 && !judgement.pending.is_empty()
    {
        let pending = words::count(judgement.pending.len(), "slow test");
        let passed = words::count(all, "test");
        styled(UNSURE, format!("{passed} passed, {pending} still running"))
    } else if judgement.is_passed() {
        styled(GOOD, format!("all {} passed", words::count(all, "test")))
    } else {
        let mut parts = vec![styled(
            BAD,
            format!("{} of {all} failed", judgement.failed()),
        )];
        if judgement.not_judged() > 0 {
            parts.push(styled(
                UNSURE,
                format!("{} could not be judged", judgement.not_judged()),
            ));
        }
        parts.join(", ")
    };
    let warned = match judgement.warnings {
        0 => String::new(),
        some => format!(
            "\n  the compiler has {}; to see more: cargo check -p {}",
            words::count(some, "warning"),
            judgement.exercise
        ),
    };
    format!(
        "\n  {what} {}{warned}\n",
        styled(FAINT, format!("({times})"))
    )
}

/// The explanation of a mistake that the course knows.
pub fn known_mistake(mistake: &Known) -> String {
    format!(
        "\n  {} {}\n{}\n",
        styled(STRONG, mistake::HEADING),
        mistake.what,
        words::wrapped(&mistake.explain, WIDTH, "  ")
    )
}
