//! The same echo server with callbacks, on the event loop.
//!
//! Compare it with `echo_server`. There, a task keeps its state in local
//! variables across an `await`. Here, the state is in a struct that the
//! callback owns, and a field of it tells the callback how to continue.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow::{self, Break, Continue};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread;

use coroutines::event_loop::{EventLoop, Interest};

const CLIENTS: usize = 3;

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

fn client(address: &SocketAddr, name: usize) -> io::Result<String> {
    let mut stream = UnixStream::connect_addr(address)?;
    let said = format!("hello from client {name}");
    stream.write_all(said.as_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut heard = String::new();
    stream.read_to_string(&mut heard)?;
    Ok(heard)
}

fn main() -> io::Result<()> {
    let name = format!("roommates-event-loop-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name)?;
    let mut events = EventLoop::new()?;
    let mut expected = CLIENTS;
    let listener = UnixListener::bind_addr(&address)?;
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

    let clients: Vec<_> = (1..=CLIENTS)
        .map(|name| {
            let address = address.clone();
            thread::spawn(move || client(&address, name))
        })
        .collect();
    events.run()?; // until the last client has gone
    for client in clients {
        let heard = client
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        println!("{heard}");
    }
    Ok(())
}
