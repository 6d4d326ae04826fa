//! The terminal: it draws whole screens, and leaves everything as it was.
//!
//! This is done by hand, on crossterm, and not with ratatui: a screen here is a
//! list of lines, and a learner waits for every crate that is compiled before
//! the first screen appears.

use std::io::{self, Write};

use anstyle::Style;
use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use crossterm::terminal::{
    DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{Command, cursor, terminal};

use super::keyboard::Keys;
use crate::text::{Line, Look, Span};

/// What the terminal says about its size: columns and rows, or zeros.
pub fn size() -> (u16, u16) {
    terminal::window_size().map_or((0, 0), |size| (size.columns, size.rows))
}

/// The terminal while this program uses it. Dropping this value gives it back.
#[derive(Debug)]
pub struct Terminal {
    drawn: Vec<Line>,
    coloured: bool,
    links: bool,
}

impl Terminal {
    /// Takes the terminal over: with the alternate screen, raw keys and no cursor.
    ///
    /// # Errors
    /// It is not a terminal.
    pub fn take() -> io::Result<Terminal> {
        give_back_on_panic();
        enter()?;
        Ok(Terminal {
            drawn: Vec::new(),
            coloured: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            links: understands_links(&std::env::var("TERM").unwrap_or_default()),
        })
    }

    /// Shows these lines. Only those that have changed are written.
    pub fn draw(&mut self, lines: &[Line]) {
        if self.drawn == lines {
            return;
        }
        let mut out = String::new();
        add(&mut out, terminal::BeginSynchronizedUpdate);
        if self.drawn.len() != lines.len() {
            self.drawn.clear();
            add(&mut out, terminal::Clear(terminal::ClearType::All));
        }
        for (row, line) in lines.iter().enumerate() {
            if self.drawn.get(row) == Some(line) {
                continue;
            }
            let row = u16::try_from(row).unwrap_or(u16::MAX);
            add(&mut out, cursor::MoveTo(0, row));
            add(&mut out, terminal::Clear(terminal::ClearType::UntilNewLine));
            for span in &line.spans {
                self.span(&mut out, span);
            }
        }
        add(&mut out, terminal::EndSynchronizedUpdate);
        self.drawn = lines.to_vec();
        write(&out);
    }

    fn span(&self, out: &mut String, span: &Span) {
        let style = style(span.look, self.coloured);
        let link = span.link.as_ref().filter(|_| self.links);
        if let Some(link) = link {
            out.push_str(&format!("\x1b]8;;{link}\x1b\\"));
        }
        out.push_str(&format!("{style}{}{style:#}", span.text));
        if link.is_some() {
            out.push_str("\x1b]8;;\x1b\\");
        }
    }

    /// Forgets what is on the screen, so that the next drawing writes all of it.
    pub fn forget(&mut self) {
        self.drawn.clear();
    }

    /// Gives the terminal to another program while `work` runs it.
    pub fn lend(&mut self, keys: &mut Keys, work: impl FnOnce()) {
        leave();
        keys.rest_during(work);
        let _ = enter();
        self.forget();
    }

    /// Gives the terminal to the shell until the learner returns (`fg`).
    pub fn suspend(&mut self) {
        leave();
        // A shell with job control notices the SIGSTOP. Without one, nobody does.
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
        let _ = enter();
        self.forget();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        leave();
    }
}

fn enter() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    let mut out = String::new();
    add(&mut out, EnterAlternateScreen);
    add(&mut out, cursor::Hide);
    add(&mut out, DisableLineWrap);
    add(&mut out, EnableBracketedPaste);
    write(&out);
    Ok(())
}

fn leave() {
    let mut out = String::new();
    add(&mut out, DisableBracketedPaste);
    add(&mut out, EnableLineWrap);
    add(&mut out, cursor::Show);
    add(&mut out, LeaveAlternateScreen);
    write(&out);
    // If the terminal is gone, there is nothing to restore.
    let _ = terminal::disable_raw_mode();
}

/// Gives the terminal back before a panic prints its message, so that the
/// message stays visible.
fn give_back_on_panic() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        leave();
        before(panic);
    }));
}

fn add(out: &mut String, command: impl Command) {
    // Writing into a String does not fail.
    let _ = command.write_ansi(out);
}

/// If the terminal is gone, nothing is written. The signal that says so arrives
/// by itself.
fn write(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes());
    let _ = stdout.flush();
}

/// Whether a terminal understands links. Only a few old terminals print what
/// they do not understand.
fn understands_links(term: &str) -> bool {
    !["", "dumb", "linux", "ansi", "vt100", "vt220"].contains(&term)
}

fn style(look: Look, coloured: bool) -> Style {
    match coloured {
        true => look.style(),
        false => look.style().fg_color(None),
    }
}
