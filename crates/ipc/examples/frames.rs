//! Frames: each message is sent after its length, so the receiver knows where
//! it ends. With the argument `lie`, the sender announces 4 GiB and sends three
//! bytes.
//!
//! `cargo run -p ipc --example frames`
//! `cargo run -p ipc --example frames -- lie`
//! `cargo run -p ipc --example frames -- watch` shows in /proc what a receiver
//! holds that waits for the rest of 1 GiB.

use std::error::Error;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, setrlimit};
use processes::Signal;
use processes::proc::{self, Status};

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;

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
    match std::env::args().nth(1).as_deref() {
        Some("lie") => {
            here.write_all(&u32::MAX.to_le_bytes())?;
            here.write_all(b"abc")?;
            return believe(&mut there);
        }
        Some("watch") => {
            here.write_all(&(GIB as u32).to_le_bytes())?;
            here.write_all(b"abc")?;
            return watch(&mut there);
        }
        _ => {}
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
    println!("the sender announces {} bytes and sends 3", u32::MAX);
    let mut receiver = processes::fork(|| {
        let limited = setrlimit(Resource::RLIMIT_AS, GIB, GIB)
            .and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0));
        i32::from(limited.is_err() || receive(there).is_err())
    })?;
    println!("the receiver was {}", receiver.wait()?);
    Ok(())
}

/// Looks at a receiver that has read the length and waits for the message.
fn watch(there: &mut UnixStream) -> Result<(), Box<dyn Error>> {
    println!("the sender announces {GIB} bytes and sends 3");
    let mut receiver = processes::fork(|| i32::from(receive(there).is_err()))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    let status = loop {
        let status: Status = proc::status(receiver.pid())?;
        if status.peak_virtual > GIB {
            break status;
        }
        if Instant::now() > deadline {
            return Err("the receiver should have asked for memory by now".into());
        }
        thread::yield_now();
    };
    println!("VmPeak: {} KiB of address space", status.peak_virtual / KIB);
    println!("VmHWM:  {} KiB of memory", status.peak_resident / KIB);
    receiver.signal(Signal::SIGKILL)?;
    receiver.wait()?;
    Ok(())
}
