//! The table: for each claim its number, its verdict, its sentence and the reason.

use std::fmt::Write;

use records::ledger::{Ledger, Machine, Verdict};

use super::words::{FAINT, STRONG, colour, styled, wrapped};
use crate::Claim;

/// The number of columns before the sentences.
const MARGIN: usize = 23;

/// Returns the ledger as a table.
///
/// ```text
///  21  does not hold     Creating a process takes the same time, however much memory …
///                        fork took 14 times as long …
/// ```
#[must_use]
pub fn table(ledger: &Ledger) -> String {
    let mut text = machine(&ledger.machine);
    text.push('\n');
    for entry in &ledger.entries {
        let verdict = styled(colour(entry.verdict), format!("{:16}", entry.verdict));
        let mut lines = wrapped(&entry.says, MARGIN).into_iter();
        let first = lines.next().unwrap_or_default();
        let _ = writeln!(
            text,
            "{:3}  {verdict}  {}",
            entry.number,
            styled(STRONG, first)
        );
        for line in lines {
            let _ = writeln!(text, "{:MARGIN$}{}", "", styled(STRONG, line));
        }
        let reason = match entry.verdict {
            Verdict::HoldsWhen => format!("… when {}", entry.reason),
            _ => entry.reason.clone(),
        };
        for line in wrapped(&reason, MARGIN) {
            let _ = writeln!(text, "{:MARGIN$}{line}", "");
        }
        if entry.contradicts() {
            let warning = format!(
                "The course expects another verdict: {}. What is different on this machine? \
                 `cargo course claims show {}` shows what was measured.",
                entry.truth.expected(),
                entry.number
            );
            for line in wrapped(&warning, MARGIN) {
                let _ = writeln!(text, "{:MARGIN$}{line}", "");
            }
        }
    }
    let _ = write!(text, "\n{}", summary(ledger));
    text
}

/// Returns the numbers and sentences of the claims, without verdicts.
#[must_use]
pub fn list(claims: &[Claim]) -> String {
    let mut text = String::new();
    for claim in claims {
        for (place, line) in wrapped(claim.says, 5).into_iter().enumerate() {
            let _ = match place {
                0 => writeln!(text, "{:3}  {line}", claim.number),
                _ => writeln!(text, "     {line}"),
            };
        }
    }
    text
}

fn summary(ledger: &Ledger) -> String {
    let all = [
        Verdict::Holds,
        Verdict::HoldsWhen,
        Verdict::DoesNotHold,
        Verdict::Unfinished,
        Verdict::TooNoisy,
        Verdict::Skipped,
    ];
    let count = |verdict: Verdict| {
        let entries = ledger.entries.iter();
        let count = entries.filter(|entry| entry.verdict == verdict).count();
        (count > 0).then(|| format!("{count} {verdict}"))
    };
    let counts: Vec<String> = all.into_iter().filter_map(count).collect();
    let more = styled(
        FAINT,
        "To see how claim N was measured: cargo course claims show N",
    );
    format!(
        "{} claims: {}\n{more}",
        ledger.entries.len(),
        counts
            .join(", ")
            .replace("holds when", "hold under a condition")
            .replace("does not hold", "do not hold")
            .replace("holds", "hold")
    )
}

/// Describes the machine on which the claims were measured, in a line or two.
pub(super) fn machine(machine: &Machine) -> String {
    let mut facts = vec![format!("CPUs that this program may use: {}", machine.cpus)];
    let known = [
        machine.processor.clone(),
        machine
            .kernel
            .as_ref()
            .map(|kernel| format!("Linux {kernel}")),
        machine
            .virtual_machine
            .then(|| "virtual machine".to_owned()),
        machine
            .huge_pages
            .as_ref()
            .map(|pages| format!("huge pages: {pages}")),
        machine
            .ptrace_scope
            .map(|scope| format!("ptrace_scope: {scope}")),
        machine
            .load
            .as_ref()
            .map(|load| format!("load average: {load}")),
        machine.root.then(|| "measured as root".to_owned()),
    ];
    facts.extend(known.into_iter().flatten());
    let lines = wrapped(
        &format!("{}: {}", machine.architecture, facts.join(", ")),
        0,
    );
    lines.iter().fold(String::new(), |text, line| {
        text + &styled(FAINT, line) + "\n"
    })
}
