//! Can a socket serve as a mailbox? One end sends two letters. A stream socket
//! returns bytes, and the receiver does not know where one letter ends. A
//! seqpacket socket returns whole letters.
//!
//! `cargo run -p ipc --example socket_mailbox`

use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use ipc::SeqPacket;

fn main() -> Result<(), Box<dyn Error>> {
    let mut buffer = [0; 100];

    let (mut here, mut there) = UnixStream::pair()?;
    here.write_all(b"Dear Ann,")?;
    here.write_all(b"Dear Bob,")?;
    let length = there.read(&mut buffer)?;
    println!(
        "stream:    {:?}",
        String::from_utf8_lossy(&buffer[..length])
    );

    let (here, there) = SeqPacket::pair()?;
    here.send(b"Dear Ann,")?;
    here.send(b"Dear Bob,")?;
    for _ in 0..2 {
        let length = there.receive(&mut buffer)?.ok_or("the end")?;
        println!(
            "seqpacket: {:?}",
            String::from_utf8_lossy(&buffer[..length])
        );
    }

    // Both kinds of socket work in both directions, and between processes.
    let (here, mut child) = ipc::fork_between(here, there, |there| {
        i32::from(there.send(b"Dear parent,").is_err())
    })?;
    let length = here.receive(&mut buffer)?.ok_or("the end")?;
    println!(
        "child:     {:?}",
        String::from_utf8_lossy(&buffer[..length])
    );
    child.wait()?;
    println!("afterwards: {:?}", here.receive(&mut buffer)?);
    Ok(())
}
