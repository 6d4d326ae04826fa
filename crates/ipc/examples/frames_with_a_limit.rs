//! Frames again. The receiver compares the length with a limit before it asks
//! for memory, and it does not wait for ever for the rest of a message.
//!
//! `cargo run -p ipc --example frames_with_a_limit`

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

const LIMIT: u32 = 65_536;

fn receive(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > LIMIT {
        let why = format!("a message of {length} bytes is over the limit of {LIMIT} bytes");
        return Err(io::Error::new(ErrorKind::InvalidData, why));
    }
    let mut message = vec![0; length as usize];
    from.read_exact(&mut message)?;
    Ok(message)
}

fn main() -> Result<(), Box<dyn Error>> {
    the_lie_is_refused()?;
    a_slow_sender_breaks_the_stream()
}

fn the_lie_is_refused() -> Result<(), Box<dyn Error>> {
    let (mut here, mut there) = UnixStream::pair()?;
    here.write_all(&u32::MAX.to_le_bytes())?;
    here.write_all(b"abc")?;
    println!("a lie:        {}", outcome(receive(&mut there)));
    Ok(())
}

/// The sender sends half a letter, pauses, and goes on.
fn a_slow_sender_breaks_the_stream() -> Result<(), Box<dyn Error>> {
    let (mut here, mut there) = UnixStream::pair()?;
    there.set_read_timeout(Some(Duration::from_millis(50)))?;
    here.write_all(&9_u32.to_le_bytes())?;
    here.write_all(b"Dear ")?;
    println!("half a frame: {}", outcome(receive(&mut there)));
    here.write_all(b"Ann,")?;
    println!("the rest:     {}", outcome(receive(&mut there)));
    Ok(())
}

fn outcome(received: io::Result<Vec<u8>>) -> String {
    match received {
        Ok(message) => String::from_utf8_lossy(&message).into_owned(),
        Err(error) if error.kind() == ErrorKind::WouldBlock => "not complete in time".to_owned(),
        Err(error) => error.to_string(),
    }
}
