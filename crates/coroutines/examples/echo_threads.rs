//! An echo server with a thread for each client.
//!
//! The code is the simplest of the four: each call blocks, and the kernel
//! switches to another thread meanwhile.

mod echo_client;

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;

use echo_client::{CLIENTS, Clients};

// ANCHOR: serve
/// Sends back everything that the client sends, until it sends no more.
fn serve(mut client: UnixStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..count])?;
    }
}
// ANCHOR_END: serve

fn main() -> io::Result<()> {
    let listener = echo_client::listen()?;
    let clients = Clients::start(&listener)?;
    let mut serving = Vec::new();
    for _ in 0..CLIENTS {
        let (stream, _) = listener.accept()?;
        serving.push(thread::spawn(move || serve(stream)));
    }
    for client in serving {
        client
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    }
    clients.report()
}
