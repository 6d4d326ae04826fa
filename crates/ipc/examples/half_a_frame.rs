//! A typed channel keeps the half of a message that has come, and goes on with
//! it in the next call.
//!
//! `cargo run -p ipc --example half_a_frame`

use std::error::Error;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ipc::Channel;
use processes::frame;

const PATIENCE: Duration = Duration::from_millis(50);

fn main() -> Result<(), Box<dyn Error>> {
    // The sender does not use a channel, so it can send the bytes as it likes.
    let (mut here, there) = UnixStream::pair()?;
    let mut line = Channel::<(), String>::from_fd(there.into())?;
    let mut letter = Vec::new();
    frame::append(&mut letter, "Dear Ann,", 100)?;
    let (half, rest) = letter.split_at(letter.len() / 2);

    here.write_all(half)?;
    let received = line.recv_timeout(PATIENCE)?;
    println!(
        "half a frame: {:?}; the channel keeps {} bytes",
        received.map(|received| received.value),
        line.unfinished()
    );
    here.write_all(rest)?;
    println!("the rest:     {:?}", line.recv()?.value);

    here.write_all(&u32::MAX.to_le_bytes())?;
    here.write_all(b"abc")?;
    match line.recv() {
        Ok(received) => println!("a lie is believed: {:?}", received.value),
        Err(error) => println!("a lie is refused:\n  {error}"),
    }
    Ok(())
}
