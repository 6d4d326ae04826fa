//! The progress of a measurement, on one line of the terminal.

use std::io::{self, IsTerminal, Write};

use crate::Claim;

/// A progress bar on standard error. It is drawn only if standard error is a
/// terminal.
#[derive(Debug)]
pub struct Progress {
    all: usize,
    done: usize,
    shown: bool,
}

impl Progress {
    /// Starts a bar for this many claims.
    #[must_use]
    pub fn of(all: usize) -> Progress {
        Progress {
            all,
            done: 0,
            shown: io::stderr().is_terminal(),
        }
    }

    /// Shows that this claim is being measured now.
    pub fn at(&mut self, claim: &Claim) {
        if self.shown {
            draw(&bar(self.done, self.all, claim.says));
        }
        self.done += 1;
    }

    /// Clears the line.
    pub fn end(&self) {
        if self.shown {
            draw("");
        }
    }
}

/// Replaces the line. It ignores errors, because the measurement should go on even
/// if the terminal is gone.
fn draw(line: &str) {
    let mut terminal = io::stderr();
    _ = write!(terminal, "\r\x1b[K{line}");
    _ = terminal.flush();
}

/// Returns the line: the bar, the number of the claim that is being measured, and
/// the beginning of that claim. It fits into 80 columns.
fn bar(done: usize, all: usize, says: &str) -> String {
    const WIDTH: usize = 20;
    let filled = WIDTH * done / all.max(1);
    let (full, empty) = ("█".repeat(filled), "░".repeat(WIDTH - filled));
    let says: String = says.chars().take(44).collect();
    format!("{full}{empty} {:2}/{all} {says}", done + 1)
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn the_bar_fills_and_never_breaks_the_line() {
        assert!(bar(0, 40, "x").starts_with("░░░░░░░░░░░░░░░░░░░░  1/40 x"));
        assert!(bar(20, 40, "x").starts_with("██████████░"));
        assert!(bar(39, 40, &"long ".repeat(50)).chars().count() < 80);
        assert!(!bar(0, 0, "").is_empty());
    }
}
