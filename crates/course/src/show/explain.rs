//! `check --explain`: shows what was asked, answered and observed.

use std::fmt::Write;

use proctor::{Exchange, Outcome, Record};

use judging::judge::Judgement;
use judging::terminal::words::{FAINT, STRONG, indented, styled};

/// How many lines of each output stream are shown.
const LINES: usize = 20;

/// Every exchange of every test, and the command that repeats it.
pub fn explain(judgement: &Judgement) -> String {
    let mut text = String::new();
    for record in &judgement.records {
        // Writing into a String does not fail.
        let _ = one(&mut text, judgement, record);
    }
    text
}

fn one(text: &mut String, judgement: &Judgement, record: &Record) -> std::fmt::Result {
    let name = styled(STRONG, &record.test);
    writeln!(text, "{name}: {}", record.outcome)?;
    if !record.cause.is_empty() {
        writeln!(text, "{}", indented(&record.cause, "  "))?;
    }
    for covered in &record.covered {
        writeln!(text, "  covered   {covered}")?;
    }
    for exchange in &record.exchanges {
        self::exchange(text, exchange)?;
    }
    if record.exchanges.is_empty() {
        writeln!(text, "  the test asked nothing")?;
    }
    if record.outcome != Outcome::CompileError {
        let exercise = &judgement.exercise;
        let seed = record.seed;
        writeln!(
            text,
            "  {}\n    PROCTOR_SEED={seed} cargo test -p {exercise} --test {exercise} -- --exact {}",
            styled(FAINT, "to repeat it with the same inputs:"),
            record.test
        )?;
    }
    writeln!(text)
}

fn exchange(text: &mut String, exchange: &Exchange) -> std::fmt::Result {
    let Exchange {
        subject,
        asked,
        answered,
        evidence,
        output,
    } = exchange;
    let by = if subject == "subject" {
        String::new()
    } else {
        format!(" ({subject})")
    };
    writeln!(text, "  asked{by}     {asked}")?;
    writeln!(text, "  answered  {answered}")?;
    if let Some(seen) = evidence {
        let started = |count: Option<u32>| {
            count.map_or_else(
                || "an unknown number of".to_owned(),
                |count| count.to_string(),
            )
        };
        writeln!(
            text,
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
        )?;
    }
    for (name, stream) in [("printed", &output.stdout), ("stderr", &output.stderr)] {
        let lines: Vec<_> = stream.trim_end().lines().collect();
        let skipped = lines.len().saturating_sub(LINES);
        if !lines.is_empty() {
            writeln!(text, "  {name}:")?;
        }
        if skipped > 0 {
            writeln!(text, "    … {skipped} earlier lines")?;
        }
        for line in &lines[skipped..] {
            writeln!(text, "    {line}")?;
        }
    }
    Ok(())
}
