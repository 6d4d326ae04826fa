//! A note through a pipe: first to oneself, as in the lesson, then from another
//! process – and how much fits until the writer must wait for a reader.
//!
//! `cargo run -p ipc --example pipe_hello`

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use std::error::Error;
use std::io::{ErrorKind, Read, Write, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    // One process, both ends. It works because the pipe holds the note until
    // it is read.
    let (mut reader, mut writer) = pipe()?;
    writer.write_all(b"Hello, world!")?;
    let mut note = [0; 1024];
    let length = reader.read(&mut note)?;
    println!("{}", String::from_utf8_lossy(&note[..length]));

    // Two processes.
    let mut child = processes::fork(|| {
        let said = writer.write_all(b"Hello from the child!");
        i32::from(said.is_err())
    })?;
    child.wait()?;
    let length = reader.read(&mut note)?;
    println!("{}", String::from_utf8_lossy(&note[..length]));

    // A longer note, and nobody who reads: the writer would wait for ever.
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let mut held = 0;
    let full = loop {
        match writer.write(&[b'x'; 1024]) {
            Ok(count) => held += count,
            Err(error) => break error,
        }
    };
    println!(
        "the pipe holds {held} bytes, then: {}",
        full.kind() == ErrorKind::WouldBlock
    );
    drop(writer);

    // The end of all writers is the end of the stream.
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest)?;
    println!("read {} bytes, up to the end", rest.len());
    Ok(())
}
