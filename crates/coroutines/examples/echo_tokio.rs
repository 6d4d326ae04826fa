//! The same echo server on tokio, which most services in Rust use.
//!
//! The runtime is tokio's on one thread, so that you can compare it with our
//! executor. Its usual runtime has one thread for each CPU.

mod echo_client;

use std::io;

use echo_client::{CLIENTS, Clients};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

// ANCHOR: serve
/// Sends back everything that the client sends, until it sends no more.
async fn serve(mut client: UnixStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let count = client.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..count]).await?;
    }
}
// ANCHOR_END: serve

async fn accept(listener: UnixListener) -> io::Result<()> {
    let mut serving = Vec::new();
    for _ in 0..CLIENTS {
        let (stream, _) = listener.accept().await?;
        serving.push(tokio::spawn(serve(stream)));
    }
    for client in serving {
        client.await??;
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let listener = echo_client::listen()?;
    let clients = Clients::start(&listener)?;
    listener.set_nonblocking(true)?; // tokio expects this
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async { accept(UnixListener::from_std(listener)?).await })?;
    clients.report()
}
