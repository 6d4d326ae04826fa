//! The words of verdicts.

use std::any::Any;
use std::fmt::{Debug, Write};

use crate::outcome::Failing;
use crate::record::Exchange;

/// The message of a panic's payload.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is no text".to_owned()
    }
}

/// At most `limit` characters of a debug form.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// A debug form of which no more is made than is kept: that of a mebibyte
/// takes seconds in a debug build.
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

/// Text of a learner's process made safe for a terminal: control characters
/// other than line ends and tabs are shown, not obeyed.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let shown: Vec<char> = match c {
                '\n' | '\t' => vec![c],
                c if c.is_control() => c.escape_default().collect(),
                c => vec![c],
            };
            shown
        })
        .collect()
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
            text.push_str(&format!("\n    … {skipped} lines before"));
        }
        for line in &lines[skipped..] {
            text.push_str("\n    ");
            text.push_str(&harmless(&shortened(line, 200)));
        }
    }
    text
}

/// The command that leads on from a failure, if there is a particular one.
pub(crate) fn next_step(failing: &Failing) -> Option<String> {
    let schedule = failing.schedule.as_ref()?;
    let package = std::env::var("CARGO_PKG_NAME").ok()?;
    let exercise = package.strip_suffix("-solution").unwrap_or(&package);
    Some(format!(
        "  see it again: cargo course replay {exercise} {schedule}"
    ))
}

/// `1 process`, `3 processes`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

pub(crate) fn zombies(number: usize) -> String {
    if number == 1 {
        "a zombie is left: nobody waited for a child that has ended".to_owned()
    } else {
        format!("{number} zombies are left: nobody waited for children that have ended")
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
        count(processes.len(), "process is", "processes are"),
        names.join(", "),
        if processes.len() > 5 { ", …" } else { "" }
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
        Signal::SIGBUS => " (a memory access beyond the end of its file)",
        Signal::SIGABRT => " (it aborted itself)",
        Signal::SIGILL => " (an instruction that does not exist)",
        Signal::SIGFPE => " (an arithmetic fault)",
        Signal::SIGPIPE => " (it wrote to a pipe that nobody reads)",
        Signal::SIGXCPU => " (the limit of CPU time)",
        Signal::SIGXFSZ => " (the limit of file size)",
        _ => "",
    };
    format!("signal {number}, {}{meaning}", signal.as_str())
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
    }
}
