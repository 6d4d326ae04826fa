//! `check --explain`: shows what was asked, answered and observed.

use judging::judge::Judgement;
use judging::mistake::outcome;
use judging::terminal::words::count;
use proctor::{Evidence, Exchange, Outcome, Output, Record};

use crate::text::plainly::{pairs, plainly};
use crate::text::{Line, Look};

/// How many lines of each output stream are shown.
const LINES: usize = 20;

/// How many exchanges of one test are shown.
const EXCHANGES: usize = 6;

/// Every exchange of every test, and the command that repeats it. The tests
/// that failed come first.
pub fn explain(judgement: &Judgement) -> Vec<Line> {
    let (passed, failed): (Vec<&Record>, Vec<&Record>) = judgement
        .records
        .iter()
        .partition(|record| record.outcome == Outcome::Pass);
    let mut exchanges = judgement
        .records
        .iter()
        .flat_map(|record| &record.exchanges);
    let uncounted = exchanges.any(|exchange| {
        let evidence = exchange.evidence.as_ref();
        evidence.is_some_and(|seen| seen.processes_started.is_none())
    });
    let mut lines = Vec::new();
    if uncounted {
        lines.push(Line::of(
            "In some tests, the judge did not count how many processes and threads your code started: your code \
             ended without an answer, or this machine does not allow it (see `cargo course doctor`).",
            Look::Faint,
        ));
        lines.push(Line::empty());
    }
    let all = failed.into_iter().chain(passed);
    lines.extend(all.flat_map(|record| test(judgement, record)));
    lines
}

fn test(judgement: &Judgement, record: &Record) -> Vec<Line> {
    let (mark, look) = match record.outcome {
        Outcome::Pass => ("✓ ", Look::Good),
        Outcome::NotJudged => ("? ", Look::Unsure),
        _ => ("✗ ", Look::Bad),
    };
    let mut title = Line::of(mark, look).then(&record.test, Look::Strong);
    if record.outcome != Outcome::Pass {
        title = title.then(format!(": {}", record.outcome), look);
    }
    let mut lines = vec![title];
    let cause = record.cause.lines();
    lines.extend(cause.map(|line| Line::plain(format!("  {line}"))));
    let covered = record.covered.iter();
    lines.extend(covered.map(|what| entry("explored", what)));
    // The last exchanges led to the verdict.
    let skipped = record.exchanges.len().saturating_sub(EXCHANGES);
    if skipped > 0 {
        let earlier = count(skipped, "earlier question");
        lines.push(Line::of(format!("  … {earlier} not shown"), Look::Faint));
    }
    let shown = record.exchanges[skipped..].iter();
    lines.extend(shown.flat_map(|one| exchange(one, !record.covered.is_empty())));
    if record.exchanges.is_empty() {
        lines.push(Line::plain("  The test asked your code nothing."));
    }
    if record.outcome != Outcome::CompileError {
        let exercise = &judgement.exercise;
        let command = format!(
            "    PROCTOR_SEED={} cargo test -p {exercise} --test {exercise} -- --exact {}",
            record.seed, record.test
        );
        lines.push(Line::of(
            "  to repeat it with the same inputs:",
            Look::Faint,
        ));
        lines.push(Line::fixed(command, Look::Code));
    }
    lines.push(Line::empty());
    lines
}

fn entry(name: &str, words: &str) -> Line {
    Line::of(format!("  {name:<9} "), Look::Faint).then(words, Look::Plain)
}

/// `is_explored` says that what the explorations covered stands above.
fn exchange(exchange: &Exchange, is_explored: bool) -> Vec<Line> {
    let Exchange {
        subject,
        asked,
        answered,
        evidence,
        output,
    } = exchange;
    let mut lines = Vec::new();
    let who = match subject.as_str() {
        "subject" => String::new(),
        name => format!("{} · ", name.replace('_', " ")),
    };
    if let Some((shown, all)) = pairs(asked, answered) {
        let questions = match all {
            0 => "several questions".to_owned(),
            all => count(all, "question"),
        };
        lines.push(entry("asked", &format!("{who}{questions}")));
        for (number, (asked, answered)) in shown.iter().enumerate() {
            lines.push(entry(&format!("{:>6}.", number + 1), asked));
            lines.push(entry("      →", answered));
        }
        if all == 0 || all > shown.len() {
            lines.push(entry("", "(the others are not shown)"));
        }
        lines.extend(evidence.as_ref().map(observed));
        lines.extend(printed(output));
        return lines;
    }
    if asked != "()" || !who.is_empty() {
        lines.push(entry("asked", &format!("{who}{}", plainly(asked))));
    }
    // Without an answer, the cause of the verdict stands above.
    let said = answered.lines().next().unwrap_or_default();
    let ended = said.split_once(": ").and_then(|(name, _)| outcome(name));
    lines.push(match ended {
        Some(outcome) => entry("answered", &format!("nothing ({outcome})")),
        None if is_explored && answered.contains("Exploration {") => entry(
            "answered",
            "what the explorations found, which stands above",
        ),
        None => entry("answered", &plainly(answered)),
    });
    lines.extend(evidence.as_ref().map(observed));
    lines.extend(printed(output));
    lines
}

/// What the code printed.
fn printed(output: &Output) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, stream) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        let printed: Vec<_> = stream.trim_end().lines().collect();
        let skipped = printed.len().saturating_sub(LINES);
        if printed.is_empty() {
            continue;
        }
        lines.push(entry(name, ""));
        if skipped > 0 {
            lines.push(Line::plain(format!(
                "    … {}",
                count(skipped, "earlier line")
            )));
        }
        let kept = printed[skipped..].iter();
        lines.extend(kept.map(|line| Line::plain(format!("    {line}"))));
    }
    lines
}

/// What the kernel said, without what is zero.
fn observed(seen: &Evidence) -> Line {
    let several = |number: u32, one: &str, many: &str| match number {
        0 => None,
        1 => Some(format!("1 {one}")),
        number => Some(format!("{number} {many}")),
    };
    let joined = |verb: &str, parts: Vec<Option<String>>| {
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("it {verb} {}", parts.join(" and ")))
    };
    let started = joined(
        "started",
        vec![
            several(seen.processes_started.unwrap_or(0), "process", "processes"),
            several(seen.threads_started.unwrap_or(0), "thread", "threads"),
        ],
    );
    let left = joined(
        "left behind",
        vec![
            several(seen.children, "running child", "running children"),
            several(seen.zombies, "zombie", "zombies"),
            several(
                seen.descriptors_left,
                "open file descriptor",
                "open file descriptors",
            ),
        ],
    );
    let time = format!(
        "it used {:.1} ms of CPU time in {:.1} ms",
        seen.cpu.as_secs_f64() * 1e3,
        seen.wall.as_secs_f64() * 1e3,
    );
    let memory = format!("at most {} MiB of memory", seen.peak_memory >> 20);
    let waited = (seen.voluntary_switches > 0).then(|| {
        let times = count(seen.voluntary_switches as usize, "time");
        format!("it waited {times}")
    });
    let parts = [started, left, waited];
    let mut parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.push(format!("{time} and {memory}"));
    entry("observed", &parts.join("; "))
}
