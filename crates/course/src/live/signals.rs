//! Signals as events: they are blocked everywhere and waited for in a thread,
//! so nothing is interrupted and no handler runs (man 3 sigwait).

use std::io;
use std::sync::mpsc::Sender;
use std::thread;

use nix::sys::signal::{SigSet, Signal};

use super::state::Event;
use super::terminal::size;

/// Begins to wait. Before any other thread is started: they inherit what is
/// blocked. Children do not: `processes::Spec` unblocks everything.
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
