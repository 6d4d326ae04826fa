//! The same echo server by callbacks, on the event loop.
//!
//! Compare `echo_server`: what a task keeps in its local variables over an
//! `await` is here in a struct that the callback owns, and "then" is a field.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow::{self, Break, Continue};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread;

use coroutines::event_loop::{EventLoop, Interest};

const CLIENTS: usize = 3;

/// A client, and what it is still to be sent.
struct Connection {
    stream: UnixStream,
    rest: Vec<u8>,
    ended: bool,
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Connection {
    /// As much as can be done now without blocking.
    fn go_on(&mut self) -> ControlFlow<()> {
        let mut buffer = [0; 1024];
        // Reads no more before all is sent back: a client that does not read
        // costs one buffer.
        while self.rest.is_empty() && !self.ended {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(count) => self.rest.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Continue(()),
                Err(_) => return Break(()),
            }
        }
        match self.stream.write(&self.rest) {
            Ok(count) => drop(self.rest.drain(..count)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Break(()),
        }
        if self.ended && self.rest.is_empty() {
            Break(())
        } else {
            Continue(())
        }
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
        let Ok((stream, _)) = listener.accept() else {
            return Continue(()); // it has gone again
        };
        let (rest, ended) = (Vec::new(), false);
        let connection = Connection {
            stream,
            rest,
            ended,
        };
        // Both ways: level-triggered, so that no change is missed. (A server of
        // many idle clients would wait for room only while `rest` is not empty.)
        let watched = events.watch(connection, Interest::Both, |_, client| client.go_on());
        if let Err(error) = watched {
            eprintln!("a client is turned away: {error}");
        }
        expected -= 1;
        if expected == 0 {
            Break(())
        } else {
            Continue(())
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
