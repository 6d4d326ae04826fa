//! `check --explain`: shows what was asked, answered and observed.

use judging::judge::Judgement;
use proctor::{Evidence, Exchange, Outcome, Record};

use crate::text::{Line, Look};

/// How many lines of each output stream are shown.
const LINES: usize = 20;

/// Every exchange of every test, and the command that repeats it.
pub fn explain(judgement: &Judgement) -> Vec<Line> {
    let tests = judgement.records.iter();
    tests.flat_map(|record| test(judgement, record)).collect()
}

fn test(judgement: &Judgement, record: &Record) -> Vec<Line> {
    let outcome = format!(": {}", record.outcome);
    let mut lines = vec![Line::of(&record.test, Look::Strong).then(outcome, Look::Plain)];
    let cause = record.cause.lines();
    lines.extend(cause.map(|line| Line::plain(format!("  {line}"))));
    let covered = record.covered.iter();
    lines.extend(covered.map(|what| Line::plain(format!("  covered   {what}"))));
    lines.extend(record.exchanges.iter().flat_map(exchange));
    if record.exchanges.is_empty() {
        lines.push(Line::plain("  the test asked nothing"));
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
        lines.push(Line::of(command, Look::Code));
    }
    lines.push(Line::empty());
    lines
}

fn exchange(exchange: &Exchange) -> Vec<Line> {
    let Exchange {
        subject,
        asked,
        answered,
        evidence,
        output,
    } = exchange;
    let by = match subject.as_str() {
        "subject" => String::new(),
        name => format!(" ({name})"),
    };
    let mut lines = vec![
        Line::plain(format!("  asked{by}     {asked}")),
        Line::plain(format!("  answered  {answered}")),
    ];
    lines.extend(evidence.as_ref().map(observed));
    for (name, stream) in [("printed", &output.stdout), ("stderr", &output.stderr)] {
        let printed: Vec<_> = stream.trim_end().lines().collect();
        let skipped = printed.len().saturating_sub(LINES);
        if !printed.is_empty() {
            lines.push(Line::plain(format!("  {name}:")));
        }
        if skipped > 0 {
            lines.push(Line::plain(format!("    … {skipped} earlier lines")));
        }
        let kept = printed[skipped..].iter();
        lines.extend(kept.map(|line| Line::plain(format!("    {line}"))));
    }
    lines
}

fn observed(seen: &Evidence) -> Line {
    let started = |count: Option<u32>| {
        count.map_or_else(
            || "an unknown number of".to_owned(),
            |count| count.to_string(),
        )
    };
    Line::plain(format!(
        "  observed  process {}; it started {} processes and {} threads; it left {} children, {} zombies and \
         {} file descriptors; it used {:.1} ms of CPU time in {:.1} ms; it waited {} times and was \
         preempted {} times; it used at most {} MiB of memory",
        seen.pid,
        started(seen.processes_started),
        started(seen.threads_started),
        seen.children,
        seen.zombies,
        seen.descriptors_left,
        seen.cpu.as_secs_f64() * 1e3,
        seen.wall.as_secs_f64() * 1e3,
        seen.voluntary_switches,
        seen.involuntary_switches,
        seen.peak_memory >> 20,
    ))
}
