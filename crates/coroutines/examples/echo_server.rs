//! An echo server for any number of clients, with a task for each, on one thread.
//!
//! The code of a task reads as if it blocked. While the task waits at an
//! `await`, the other tasks run. `echo_threads`, `echo_event_loop` and
//! `echo_tokio` serve the same clients in other ways.

mod echo_client;

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use coroutines::executor::{Executor, JoinError, Spawner};
use coroutines::reactor::{Reactor, Source};
use echo_client::{CLIENTS, Clients};

// ANCHOR: serve
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
// ANCHOR_END: serve

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

fn main() -> io::Result<()> {
    let listener = echo_client::listen()?;
    let clients = Clients::start(&listener)?;
    let reactor = Reactor::new()?;
    let executor = Executor::with_reactor(reactor.clone());
    let listener = reactor.register(listener)?;
    let total = executor.block_on(accept(listener, reactor, executor.spawner()))?;
    clients.report()?;
    println!("bytes that came back: {total}");
    Ok(())
}
