//! Right, with a thread that only the end of the scope joins if the read fails.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

pub fn pump(to: OwnedFd, from: OwnedFd, input: &[u8]) -> io::Result<Vec<u8>> {
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || write_all(File::from(to), input));
        let read = read_all(File::from(from))?;
        writer.join().unwrap()?;
        Ok(read)
    })
}

fn write_all(mut to: File, mut input: &[u8]) -> io::Result<()> {
    while !input.is_empty() {
        match to.write(input) {
            Ok(n) => input = &input[n..],
            Err(e) if gone(&e) => return Ok(()),
            Err(e) => again(e, &to, PollFlags::POLLOUT)?,
        }
    }
    // Fails with ENOTSOCK for a pipe.
    unsafe { nix::libc::shutdown(to.as_raw_fd(), nix::libc::SHUT_WR) };
    Ok(())
}

fn read_all(mut from: File) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        match from.read_to_end(&mut out) {
            Ok(_) => return Ok(out),
            Err(e) if gone(&e) => return Ok(out),
            Err(e) => again(e, &from, PollFlags::POLLIN)?,
        }
    }
}

fn again(e: io::Error, file: &File, flags: PollFlags) -> io::Result<()> {
    match e.kind() {
        io::ErrorKind::Interrupted => Ok(()),
        io::ErrorKind::WouldBlock => {
            let _ = poll(&mut [PollFd::new(file.as_fd(), flags)], PollTimeout::NONE);
            Ok(())
        }
        _ => Err(e),
    }
}

fn gone(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}
