//! What does one read return? A stream does not know where a message ends: one
//! read returns two messages, and another read returns a part of one message.
//!
//! `cargo run -p ipc --example one_read`

use std::error::Error;
use std::io::{PipeReader, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::thread;

const LONG: usize = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    two_short_messages()?;
    one_long_message()
}

fn two_short_messages() -> Result<(), Box<dyn Error>> {
    let (mut reader, mut writer) = pipe()?;
    writer.write_all(b"Dear Ann,")?;
    writer.write_all(b"Dear Bob,")?;
    let mut buffer = [0; 1024];
    let length = reader.read(&mut buffer)?;
    let text = String::from_utf8_lossy(&buffer[..length]);
    println!("two writes, one read: {text:?}");
    Ok(())
}

fn one_long_message() -> Result<(), Box<dyn Error>> {
    let (mut reader, mut writer) = pipe()?;
    let mut child = processes::fork(|| {
        let sent = writer.write_all(&[b'x'; LONG]);
        i32::from(sent.is_err())
    })?;
    wait_until_full(&reader)?;
    let mut buffer = vec![0; 2 * LONG];
    let length = reader.read(&mut buffer)?;
    println!("one write of {LONG} bytes, one read: {length} bytes");
    reader.read_exact(&mut buffer[length..LONG])?;
    println!("the writer {}", child.wait()?);
    Ok(())
}

/// Waits until the writer cannot put any more bytes into the pipe.
fn wait_until_full(reader: &PipeReader) -> Result<(), Box<dyn Error>> {
    // SAFETY: the argument is a number.
    let capacity = unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_GETPIPE_SZ) };
    let mut held = 0;
    while held < capacity {
        // SAFETY: FIONREAD stores how many bytes are in the pipe in an integer.
        if unsafe { libc::ioctl(reader.as_raw_fd(), libc::FIONREAD, &raw mut held) } < 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        thread::yield_now();
    }
    Ok(())
}
