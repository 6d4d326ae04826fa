//! How far the ledger is, on one line of a terminal.

use crate::Claim;
use std::io::{self, IsTerminal, Write};

/// Drawn on standard error, and only if that is a terminal.
#[derive(Debug)]
pub struct Progress {
    all: usize,
    done: usize,
    shown: bool,
}

impl Progress {
    /// Of so many claims.
    #[must_use]
    pub fn of(all: usize) -> Progress {
        Progress {
            all,
            done: 0,
            shown: io::stderr().is_terminal(),
        }
    }

    /// This one is being measured.
    pub fn at(&mut self, claim: &Claim) {
        if self.shown {
            draw(&bar(self.done, self.all, claim.says));
        }
        self.done += 1;
    }

    /// Leaves nothing of it on the screen.
    pub fn end(&self) {
        if self.shown {
            draw("");
        }
    }
}

/// A terminal that is gone is no reason to stop measuring.
fn draw(line: &str) {
    let mut terminal = io::stderr();
    _ = write!(terminal, "\r\x1b[K{line}");
    _ = terminal.flush();
}

/// Narrow enough for 80 columns.
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
