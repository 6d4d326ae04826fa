//! Turns signals into events. The signals are blocked in all threads, and one
//! thread waits for them, so nothing is interrupted and no handler runs (man 3
//! sigwait).

use std::io;
use std::sync::mpsc::Sender;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use super::state::Event;
use super::terminal::size;

/// Begins to wait. This has to be called before any other thread is started,
/// because threads inherit the set of blocked signals. Child processes do not:
/// `processes::Spec` unblocks everything.
///
/// # Errors
/// Those of blocking signals and of starting a thread.
pub fn start(events: Sender<Event>) -> io::Result<()> {
    let mut waited_for = SigSet::empty();
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGWINCH,
    ] {
        waited_for.add(signal);
    }
    waited_for.thread_block()?;
    thread::Builder::new().spawn(move || {
        while let Ok(signal) = waited_for.wait() {
            let event = match signal {
                Signal::SIGWINCH => {
                    let (columns, rows) = size();
                    Event::Resized(columns, rows)
                }
                _ => Event::Stop,
            };
            if events.send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}
