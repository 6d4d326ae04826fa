//! Step 10: an event loop, and a callback that forgets where it was.
//!
//! A callback cannot wait. When a write would block, it has to remember what is
//! left, say what it waits for, and return. The first server does not.

use std::cell::Cell;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::ops::ControlFlow::{self, Break, Continue};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use coroutines::event_loop::{EventLoop, Interest};
use nix::sys::socket::{setsockopt, sockopt};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a callback says: wait for this next, or end.
type Next = ControlFlow<(), Interest>;

// ANCHOR: forgets
fn forgets(client: &mut UnixStream) -> Next {
    let mut buffer = [0; 1024];
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return Break(()),
            Ok(count) => drop(client.write(&buffer[..count])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Continue(Interest::Readable);
            }
            Err(_) => return Break(()),
        }
    }
}
// ANCHOR_END: forgets

// ANCHOR: remembers
fn remembers(client: &mut UnixStream, rest: &mut Vec<u8>) -> Next {
    let mut buffer = [0; 1024];
    loop {
        while !rest.is_empty() {
            match client.write(rest) {
                Ok(count) => drop(rest.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Continue(Interest::Writable);
                }
                Err(_) => return Break(()),
            }
        }
        match client.read(&mut buffer) {
            Ok(0) => return Break(()),
            Ok(count) => rest.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Continue(Interest::Readable);
            }
            Err(_) => return Break(()),
        }
    }
}
// ANCHOR_END: remembers

const SENT: usize = 64 * 1024;

/// Sends 64 KiB to the server, and reads what comes back a little later.
/// Returns how many bytes came back.
fn came_back(mut server: impl FnMut(&mut UnixStream) -> Next + 'static) -> Result<usize> {
    let mut events = EventLoop::new()?;
    let (theirs, mut ours) = UnixStream::pair()?;
    setsockopt(&theirs, sockopt::SndBuf, &4096)?; // little room towards the client
    events.watch(theirs, Interest::Readable, move |_, client| server(client))?;
    ours.write_all(&[b'x'; SENT])?;
    ours.shutdown(Shutdown::Write)?;

    let received = Rc::new(Cell::new(0));
    let count = Rc::clone(&received);
    events.after(Duration::from_millis(10), move |events| {
        let mut buffer = [0; 4096];
        let client = events.watch(ours, Interest::Readable, move |_, ours| {
            match ours.read(&mut buffer) {
                Ok(0) | Err(_) => Break(()),
                Ok(bytes) => {
                    count.set(count.get() + bytes);
                    Continue(Interest::Readable)
                }
            }
        });
        assert!(client.is_ok());
    });
    events.run()?;
    Ok(received.get())
}

fn main() -> Result<()> {
    let lost = SENT - came_back(forgets)?;
    let how_many = match lost {
        0 => "none",
        1..=1024 => "some",
        _ => "most",
    };
    println!("a callback that forgets: {SENT} bytes sent, {how_many} of them lost");
    let mut rest = Vec::new();
    let back = came_back(move |client| remembers(client, &mut rest))?;
    println!("a callback that remembers: {SENT} bytes sent, {back} came back");
    Ok(())
}
