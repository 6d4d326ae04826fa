//! The words of verdicts.

use std::any::Any;
use std::fmt::{Debug, Write};

use records::Exchange;

use crate::outcome::Failing;

/// The message of a panic's payload.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is not text".to_owned()
    }
}

/// At most `limit` characters of a debug form.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// The debug form of a value, cut after `limit` bytes. It formats no more than
/// it keeps: the debug form of a mebibyte takes seconds in a debug build.
pub(crate) fn debug(value: &impl Debug, limit: usize) -> String {
    let mut kept = Kept {
        text: String::new(),
        limit,
    };
    if write!(kept, "{value:?}").is_err() {
        kept.text.push('…');
    }
    kept.text
}

struct Kept {
    text: String,
    limit: usize,
}

impl Write for Kept {
    fn write_str(&mut self, part: &str) -> std::fmt::Result {
        let room = self.limit.saturating_sub(self.text.len());
        if part.len() <= room {
            self.text.push_str(part);
            return Ok(());
        }
        self.text.push_str(&part[..part.floor_char_boundary(room)]);
        Err(std::fmt::Error)
    }
}

/// The longest cause, in bytes; a longer one is shown in part.
const LONGEST_CAUSE: usize = 2000;

/// The message, short enough to read. A long message is cut. If it is that of
/// an `assert_eq!` of two long values, it shows their first difference.
pub(crate) fn brief(message: &str) -> String {
    if message.len() <= LONGEST_CAUSE {
        return message.to_owned();
    }
    compared(message).unwrap_or_else(|| shortened(message, 1000))
}

/// How many lines of a message are shown after the first.
const MOST_LINES: usize = 12;

/// The words of learner code as a cause. Every line but the first stands behind
/// a bar, so that no line can be mistaken for a line of a report.
pub(crate) fn quoted(message: &str) -> String {
    let mut lines = message.trim_end().lines();
    let mut text = lines.next().unwrap_or_default().to_owned();
    for line in lines.by_ref().take(MOST_LINES) {
        text.push_str("\n│ ");
        text.push_str(line);
    }
    let more = lines.count();
    if more > 0 {
        text.push_str(&format!("\n│ … {}", count(more, "more line")));
    }
    text
}

/// `assertion … failed: …`, `  left: …`, ` right: …`, as std writes it.
fn compared(message: &str) -> Option<String> {
    let (what, values) = message.split_once("\n  left: ")?;
    let (left, right) = values.split_once("\n right: ")?;
    let differs = left
        .bytes()
        .zip(right.bytes())
        .position(|(left, right)| left != right)
        .unwrap_or(left.len().min(right.len()));
    let around = |text: &str| {
        let from = text.floor_char_boundary(differs.saturating_sub(60));
        let to = text.floor_char_boundary((differs + 60).min(text.len()));
        let before = if from > 0 { "…" } else { "" };
        let after = if to < text.len() { "…" } else { "" };
        format!("{before}{}{after}", &text[from..to])
    };
    Some(format!(
        "{}\n  the debug forms of the two values are {} and {} bytes long and first differ at byte {differs}:\n  left: {}\n right: {}",
        shortened(what, 600),
        left.len(),
        right.len(),
        around(left),
        around(right),
    ))
}

/// The text, in a form that cannot control a terminal. Control characters other
/// than line ends and tabs, and characters that change the direction of writing
/// or are invisible, are written as `\u{…}`.
///
/// Whatever comes out of a learner's program goes through here before it
/// reaches a terminal: causes, names of threads and processes, printed lines.
///
/// ```
/// assert_eq!(proctor::harmless("a\u{1b}[31mb\r"), "a\\u{1b}[31mb\\r");
/// ```
pub fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => safe.push(c),
            c if c.is_control() || is_invisible(c) => safe.extend(c.escape_default()),
            c => safe.push(c),
        }
    }
    safe
}

/// Characters that reorder what follows, separate lines, or are invisible.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// What a learner reads under a failed test.
pub(crate) fn verdict(failing: &Failing, exchanges: &[Exchange]) -> String {
    let mut text = harmless(&failing.to_string());
    let Some(last) = exchanges.last() else {
        return text;
    };
    for (name, stream) in [
        ("printed", &last.output.stdout),
        ("wrote to stderr", &last.output.stderr),
    ] {
        let stream = stream.trim_end();
        if stream.is_empty() {
            continue;
        }
        text.push_str(&format!("\n\n  your code {name}:"));
        let lines: Vec<_> = stream.lines().collect();
        let skipped = lines.len().saturating_sub(10);
        if skipped > 0 {
            text.push_str(&format!("\n    … {skipped} earlier lines"));
        }
        for line in &lines[skipped..] {
            text.push_str("\n    ");
            text.push_str(&harmless(&shortened(line, 200)));
        }
    }
    text
}

/// The command to run next after a failure, if there is one.
pub(crate) fn next_step(failing: &Failing) -> Option<String> {
    let schedule = failing.schedule.as_ref()?;
    let package = std::env::var("CARGO_PKG_NAME").ok()?;
    let exercise = package.strip_suffix("-solution").unwrap_or(&package);
    Some(format!(
        "  see it again: cargo course replay {exercise} {schedule}"
    ))
}

pub(crate) fn zombies(number: usize) -> String {
    if number == 1 {
        "your code left a zombie: a child has ended, and your code did not wait for it".to_owned()
    } else {
        format!(
            "your code left {number} zombies: children have ended, and your code did not wait for them"
        )
    }
}

pub(crate) fn still_running(processes: &[&processes::proc::Stat]) -> String {
    let names: Vec<_> = processes
        .iter()
        .take(5)
        .map(|stat| format!("{} ({})", stat.pid, stat.comm))
        .collect();
    format!(
        "{} still running after the answer: {}{}",
        match processes.len() {
            1 => "1 process is".to_owned(),
            many => format!("{many} processes are"),
        },
        names.join(", "),
        if processes.len() > 5 { ", …" } else { "" }
    )
}

pub(crate) fn relics(names: &[String]) -> String {
    format!(
        "your code left {} behind that would outlive the program: {}{} (the judge has removed {})",
        count(names.len(), "kernel object"),
        names.iter().take(5).cloned().collect::<Vec<_>>().join(", "),
        if names.len() > 5 { ", …" } else { "" },
        if names.len() == 1 { "it" } else { "them" },
    )
}

/// The usual name of a signal and, in brackets, what it means.
pub(crate) fn signal(number: i32) -> String {
    let Ok(signal) = nix::sys::signal::Signal::try_from(number) else {
        return format!("signal {number}");
    };
    use nix::sys::signal::Signal;
    let meaning = match signal {
        Signal::SIGSEGV => " (a memory access that is not allowed, or a stack overflow)",
        Signal::SIGBUS => " (a memory access beyond the end of a mapped file)",
        Signal::SIGABRT => " (it aborted itself)",
        Signal::SIGILL => " (an instruction that does not exist)",
        Signal::SIGFPE => " (an arithmetic error, such as a division by zero)",
        Signal::SIGPIPE => " (it wrote to a pipe or socket that has no reader)",
        Signal::SIGXCPU => " (it reached its limit of CPU time)",
        Signal::SIGXFSZ => " (it reached its limit of file size)",
        _ => "",
    };
    format!("signal {number}, {}{meaning}", signal.as_str())
}

/// A number and what is counted, for messages: `1 thread`, `3 threads`,
/// `0 processes`.
pub fn count(number: usize, what: &str) -> String {
    let plural = match what {
        _ if number == 1 => "",
        what if what.ends_with('s') => "es",
        _ => "s",
    };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::{debug, harmless, shortened};

    #[test]
    fn a_long_debug_form_is_cut_at_a_character() {
        assert_eq!(debug(&vec![1, 2, 3], 100), "[1, 2, 3]");
        assert_eq!(debug(&"ääää", 4), "\"ä…");
        assert_eq!(debug(&vec![7u8; 1 << 20], 5), "[7, 7…");
    }

    #[test]
    fn a_long_text_says_how_long_it_was() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("longer", 4), "long… (6 bytes)");
    }

    #[test]
    fn escapes_are_shown_and_not_obeyed() {
        assert_eq!(harmless("a\u{1b}[31m\tb\n"), "a\\u{1b}[31m\tb\n");
        assert_eq!(harmless("\u{202e}x\u{200b}"), "\\u{202e}x\\u{200b}");
        assert_eq!(harmless("✓ ä 漢 │"), "✓ ä 漢 │");
    }

    #[test]
    fn of_two_long_values_the_first_difference_is_shown() {
        let list = |odd: u32| -> Vec<u32> {
            (0..100_000)
                .map(|n| if n == 50_000 { odd } else { n })
                .collect()
        };
        let said = std::panic::catch_unwind(|| assert_eq!(list(7), list(8), "sums differ"));
        let message = super::panic_message(&*said.unwrap_err());
        let brief = super::brief(&message);
        assert!(brief.len() < 1000, "{} bytes", brief.len());
        assert!(brief.starts_with("assertion `left == right` failed: sums differ"));
        assert!(brief.contains("49999, 7, 50001"), "{brief}");
        assert!(brief.contains("49999, 8, 50001"), "{brief}");
    }

    #[test]
    fn every_line_but_the_first_stands_behind_a_bar() {
        assert_eq!(super::quoted("one"), "one");
        assert_eq!(super::quoted("one\n  ✓ two\n"), "one\n│   ✓ two");
        let many = super::quoted(&"x\n".repeat(100));
        assert!(many.ends_with("│ … 87 more lines"), "{many}");
    }

    #[test]
    fn a_short_message_stays_as_it_is() {
        assert_eq!(
            super::brief("left\n  left: 1\n right: 2"),
            "left\n  left: 1\n right: 2"
        );
        assert!(super::brief(&"x".repeat(1 << 20)).len() < 1100);
    }
}
