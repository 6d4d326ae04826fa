//! Frames: each message is sent after its length, so the receiver knows where
//! it ends. With the argument `lie`, the sender announces 4 GiB and sends three
//! bytes.
//!
//! `cargo run -p ipc --example frames`
//! `cargo run -p ipc --example frames -- lie`

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use nix::sys::resource::{Resource, setrlimit};

fn send(to: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(message)
}

fn receive(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut message = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut message)?;
    Ok(message)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut here, mut there) = UnixStream::pair()?;
    if std::env::args().nth(1).as_deref() == Some("lie") {
        here.write_all(&u32::MAX.to_le_bytes())?;
        here.write_all(b"abc")?;
        return believe(&mut there);
    }
    let mut sender = processes::fork(|| {
        let letters = [&b"Dear Ann,"[..], b"Dear Bob,", &[b'x'; 300_000]];
        let sent = letters
            .iter()
            .try_for_each(|letter| send(&mut here, letter));
        i32::from(sent.is_err())
    })?;
    for _ in 0..3 {
        let letter = receive(&mut there)?;
        let begin = String::from_utf8_lossy(&letter[..9]);
        println!("{begin:?}: {} bytes", letter.len());
    }
    println!("the sender {}", sender.wait()?);
    Ok(())
}

/// Receives a message in a process that may use 1 GiB of address space, as a
/// service in a container might.
fn believe(there: &mut UnixStream) -> Result<(), Box<dyn Error>> {
    const GIB: u64 = 1 << 30;
    println!("the sender announces {} bytes and sends 3", u32::MAX);
    let mut receiver = processes::fork(|| {
        let limited = setrlimit(Resource::RLIMIT_AS, GIB, GIB)
            .and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0));
        i32::from(limited.is_err() || receive(there).is_err())
    })?;
    println!("the receiver was {}", receiver.wait()?);
    Ok(())
}
