//! A child reads a file that it cannot open itself: its parent opens the file
//! and sends the open file over a socket.
//!
//! `cargo run -p ipc --example descriptor_passing`

use std::error::Error;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use ipc::{receive_descriptors, send_descriptors};

fn main() -> Result<(), Box<dyn Error>> {
    let (here, there) = UnixStream::pair()?;
    let (here, mut child) =
        ipc::fork_between(here, there, |there| match read_what_comes(&there) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("{error}");
                1
            }
        })?;
    // This file has no name that the child could open.
    let mut file = File::from(nix::sys::memfd::memfd_create(
        "letter",
        nix::sys::memfd::MFdFlags::MFD_CLOEXEC,
    )?);
    std::io::Write::write_all(&mut file, b"For your eyes only.\n")?;
    file.seek(SeekFrom::Start(0))?;
    send_descriptors(&here, b"a letter", &[file.as_fd()])?;
    println!("the child {}", child.wait()?);
    // Both descriptors refer to the same open file, so the child's reading also
    // moved our position.
    println!("the parent's position: {}", file.stream_position()?);
    Ok(())
}

fn read_what_comes(socket: &UnixStream) -> Result<(), Box<dyn Error>> {
    let mut name = [0; 32];
    let passed = receive_descriptors(socket, &mut name, 1)?;
    let file = passed.descriptors.into_iter().next();
    let mut text = String::new();
    File::from(file.ok_or("no descriptor came")?).read_to_string(&mut text)?;
    let name = String::from_utf8_lossy(&name[..passed.length]);
    print!("the child got {name}: {text}");
    Ok(())
}
