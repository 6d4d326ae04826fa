//! The terminal: it reads raw keys, draws whole screens, and leaves everything as it was.
//!
//! This is done by hand, on crossterm, and not with ratatui: a screen here is a
//! list of lines, and a learner waits for every crate that is compiled before
//! the first screen appears.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anstyle::Style;
use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event as Input, KeyCode, KeyEvent, KeyEventKind,
    KeyModifiers,
};
use crossterm::terminal::{
    DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{Command, cursor, event, terminal};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::state::{Event, Key};
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

/// The thread that reads keys. It reads for as long as there is a terminal,
/// except while another program has the terminal.
#[derive(Debug)]
pub struct Keys {
    turn: Arc<Turn>,
    /// Wakes the thread while it waits for a key.
    wake: PipeWriter,
}

/// Whose turn it is to read.
#[derive(Debug, Default)]
struct Turn {
    now: Mutex<Reading>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reading {
    /// The thread reads.
    #[default]
    Reads,
    /// The thread is to stop as soon as it can.
    ShouldRest,
    /// The thread does not touch standard input.
    Rests,
    /// There is no terminal any more, and the thread has ended.
    Over,
}

/// Starts to read keys.
///
/// # Errors
/// There is no pipe or no thread to be had.
pub fn read_keys(events: Sender<Event>) -> io::Result<Keys> {
    let (woken, wake) = io::pipe()?;
    let turn = Arc::new(Turn::default());
    let its = Arc::clone(&turn);
    thread::Builder::new().spawn(move || {
        while its.comes() && is_there(&woken) {
            // The parser may have more than one key from one read.
            while its.is_on() && event::poll(Duration::ZERO).unwrap_or(false) {
                let sent = match event::read() {
                    Ok(Input::Key(key)) => key_of(key).map(Event::Key),
                    Ok(Input::Resize(columns, rows)) => Some(Event::Resized(columns, rows)),
                    Ok(_) => None,
                    Err(_) => Some(Event::Stop),
                };
                if sent.is_some_and(|event| events.send(event).is_err()) {
                    its.set(Reading::Over);
                    return;
                }
            }
        }
        its.set(Reading::Over);
        let _ = events.send(Event::Stop);
    })?;
    Ok(Keys { turn, wake })
}

impl Keys {
    /// Leaves standard input to another program while `work` runs.
    fn rest_during(&mut self, work: impl FnOnce()) {
        self.turn.set(Reading::ShouldRest);
        // If the thread has ended, nobody reads this, and nobody needs to.
        let _ = self.wake.write_all(&[0]);
        let mut now = self.turn.lock();
        while *now == Reading::ShouldRest {
            now = self
                .turn
                .changed
                .wait(now)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(now);
        work();
        self.turn.set(Reading::Reads);
    }
}

impl Turn {
    fn lock(&self) -> MutexGuard<'_, Reading> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once the thread has ended, nothing begins any more.
    fn set(&self, reading: Reading) {
        let mut now = self.lock();
        if *now != Reading::Over {
            *now = reading;
        }
        self.changed.notify_all();
    }

    fn is_on(&self) -> bool {
        *self.lock() == Reading::Reads
    }

    /// Waits until it is the thread's turn to read.
    fn comes(&self) -> bool {
        let mut now = self.lock();
        while *now != Reading::Reads {
            if *now == Reading::ShouldRest {
                *now = Reading::Rests;
                self.changed.notify_all();
            }
            now = self
                .changed
                .wait(now)
                .unwrap_or_else(PoisonError::into_inner);
        }
        true
    }
}

/// Waits until there is something to read, or until it is somebody else's turn.
/// Returns `false` if nobody is there any more to write it; reading on would
/// then be a busy loop.
fn is_there(woken: &PipeReader) -> bool {
    let stdin = io::stdin();
    loop {
        let mut fds = [
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(woken.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
            Ok(_) => {
                let seen = fds[0].revents().unwrap_or(PollFlags::POLLERR);
                let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
                if fds[1].any() == Some(true) {
                    // One byte for each time that the thread was woken.
                    let mut byte = [0];
                    let _ = (&*woken).read(&mut byte);
                }
                return !seen.intersects(gone);
            }
        }
    }
}

fn key_of(key: KeyEvent) -> Option<Key> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c' | 'd') => Some(Key::Interrupt),
            KeyCode::Char('z') => Some(Key::Suspend),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
