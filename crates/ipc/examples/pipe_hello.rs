//! A process sends a note to itself through a pipe, as in the lesson. Then a
//! child sends a note to its parent. At last, the parent measures how many
//! bytes fit into the pipe before a writer must wait for a reader.
//!
//! `cargo run -p ipc --example pipe_hello`

use std::error::Error;
use std::io::{ErrorKind, Read, Write, pipe};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

fn main() -> Result<(), Box<dyn Error>> {
    // One process uses both ends. This works because the pipe holds the note
    // until the process reads it.
    let (mut reader, mut writer) = pipe()?;
    writer.write_all(b"Hello, world!")?;
    let mut note = [0; 1024];
    let length = reader.read(&mut note)?;
    println!("{}", String::from_utf8_lossy(&note[..length]));

    // Two processes: the child writes, and the parent reads.
    let mut child = processes::fork(|| {
        let said = writer.write_all(b"Hello from the child!");
        i32::from(said.is_err())
    })?;
    child.wait()?;
    let length = reader.read(&mut note)?;
    println!("{}", String::from_utf8_lossy(&note[..length]));

    // Now no process reads. A writer would wait for ever once the pipe is full,
    // so the writing end becomes non-blocking.
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

    // Once all writers are closed, the reader comes to the end of the stream.
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest)?;
    println!("read {} bytes, up to the end", rest.len());
    Ok(())
}
