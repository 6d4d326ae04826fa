//! The same echo server with callbacks, on the event loop.
//!
//! Compare it with `echo_server`. There, a task keeps its state in local
//! variables across an `await`. Here, the state is in a struct that the
//! callback owns, and a field of it tells the callback how to continue.

mod echo_client;

use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow::{self, Break, Continue};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use coroutines::event_loop::{EventLoop, Interest};
use echo_client::{CLIENTS, Clients};

// ANCHOR: connection
/// A client, and the bytes that the server must still send to it.
struct Connection {
    stream: UnixStream,
    rest: Vec<u8>,
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Connection {
    /// Reads and writes as much as is possible without blocking. Returns what
    /// to wait for next.
    fn go_on(&mut self) -> io::Result<ControlFlow<(), Interest>> {
        let mut buffer = [0; 1024];
        loop {
            // We send everything back before we read more, so a client that
            // does not read costs only one buffer. We wait for room only if
            // there is something to send.
            while !self.rest.is_empty() {
                match self.stream.write(&self.rest) {
                    Ok(count) => drop(self.rest.drain(..count)),
                    Err(error) => return wait(error, Interest::Writable),
                }
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(Break(())),
                Ok(count) => self.rest.extend_from_slice(&buffer[..count]),
                Err(error) => return wait(error, Interest::Readable),
            }
        }
    }
}

/// Makes the callback wait for `interest` if the error only means "not now".
/// Other errors stay errors.
fn wait(error: io::Error, interest: Interest) -> io::Result<ControlFlow<(), Interest>> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Ok(Continue(interest)),
        _ => Err(error),
    }
}
// ANCHOR_END: connection

fn main() -> io::Result<()> {
    let listener = echo_client::listen()?;
    let clients = Clients::start(&listener)?;
    let mut events = EventLoop::new()?;
    let mut expected = CLIENTS;
    events.watch(listener, Interest::Readable, move |events, listener| {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Continue(Interest::Readable); // the client has left
            }
            Err(error) => {
                // We do not try again at once: if no descriptor is left
                // (EMFILE), the loop would do nothing else.
                eprintln!("no more clients: {error}");
                return Break(());
            }
        };
        let rest = Vec::new();
        let connection = Connection { stream, rest };
        let watched = events.watch(connection, Interest::Readable, |_, client| {
            client.go_on().unwrap_or(Break(())) // an error ends this client only
        });
        if let Err(error) = watched {
            eprintln!("a client is turned away: {error}");
        }
        expected -= 1;
        if expected == 0 {
            Break(())
        } else {
            Continue(Interest::Readable)
        }
    })?;

    events.run()?; // until the last client has gone
    clients.report()
}
