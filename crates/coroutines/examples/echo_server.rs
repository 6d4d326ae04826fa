//! An echo server for any number of clients, with a task for each, on one thread.
//!
//! The code of a task reads as if it blocked. While the task waits at an
//! `await`, the other tasks run. (The socket is a Unix socket with an abstract
//! name, so that the example needs no network and leaves no file behind.)

use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::thread;

use coroutines::executor::{Executor, JoinError, Spawner};
use coroutines::reactor::{Reactor, Source};

const CLIENTS: usize = 3;

/// Sends back everything that the client sends, until the client sends no more.
/// Returns the number of bytes.
async fn serve(client: Source<UnixStream>) -> io::Result<usize> {
    let mut buffer = [0; 1024];
    let mut total = 0;
    loop {
        let count = client
            .read_with(|mut stream| stream.read(&mut buffer))
            .await?;
        if count == 0 {
            return Ok(total);
        }
        total += count;
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            // A client that reads slowly makes only this task wait.
            let written = client.write_with(|mut stream| stream.write(rest)).await?;
            rest = &rest[written..];
        }
    }
}

/// Accepts the clients, spawns a task for each, and waits until all of them
/// have gone. Returns the number of bytes that were sent back.
async fn accept(
    listener: Source<UnixListener>,
    reactor: Reactor,
    spawner: Spawner,
) -> io::Result<usize> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let (stream, _) = listener.read_with(UnixListener::accept).await?;
        clients.push(spawner.spawn(serve(reactor.register(stream)?)));
    }
    let mut total = 0;
    for client in clients {
        total += client
            .await
            .map_err(|error: JoinError| io::Error::other(error.to_string()))??;
    }
    Ok(total)
}

/// An ordinary client: it makes blocking calls, on a thread of its own.
fn client(address: &SocketAddr, name: usize) -> io::Result<String> {
    let mut stream = UnixStream::connect_addr(address)?;
    let mut heard = String::new();
    for word in ["hello", "again"] {
        let said = format!("{word} from client {name}; ");
        stream.write_all(said.as_bytes())?;
        let mut echo = vec![0; said.len()];
        stream.read_exact(&mut echo)?;
        heard += &String::from_utf8_lossy(&echo);
    }
    Ok(heard)
}

fn main() -> io::Result<()> {
    let name = format!("roommates-echo-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name)?;
    let reactor = Reactor::new()?;
    let executor = Executor::with_reactor(reactor.clone());
    let listener = reactor.register(UnixListener::bind_addr(&address)?)?;

    let clients: Vec<_> = (1..=CLIENTS)
        .map(|name| {
            let address = address.clone();
            thread::spawn(move || client(&address, name))
        })
        .collect();
    let total = executor.block_on(accept(listener, reactor, executor.spawner()))?;
    for client in clients {
        let heard = client
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        println!("{}", heard.trim_end_matches("; "));
    }
    println!("the server echoed {total} bytes to {CLIENTS} clients, on one thread");
    Ok(())
}
