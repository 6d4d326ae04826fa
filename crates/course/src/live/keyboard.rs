//! Raw keys, as a thread of its own reads them.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::state::{Event, Key};

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
pub fn read(events: Sender<Event>) -> io::Result<Keys> {
    let (woken, wake) = io::pipe()?;
    let turn = Arc::new(Turn::default());
    let its = Arc::clone(&turn);
    thread::Builder::new().spawn(move || {
        loop {
            its.wait();
            if !is_there(&woken) {
                break;
            }
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
    pub fn rest_during(&mut self, work: impl FnOnce()) {
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
    fn wait(&self) {
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
