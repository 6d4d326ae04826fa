//! Correct in another way: a second thread writes while the calling thread
//! reads. Both block, and so no flag is changed. Where the caller's descriptors
//! do not block, each thread waits with poll.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::{read, write};

/// Sends the input with one thread and collects the output with another.
pub fn pump(to: OwnedFd, from: OwnedFd, input: &[u8]) -> io::Result<Vec<u8>> {
    thread::scope(|scope| {
        let writer = thread::Builder::new().spawn_scoped(scope, move || send(to, input))?;
        let output = collect(from);
        let written = writer.join().expect("a thread that does not panic");
        written?;
        output
    })
}

/// Sleeps if a descriptor that does not block has nothing to do.
fn wait_for(end: &OwnedFd, what: PollFlags) -> io::Result<()> {
    match poll(&mut [PollFd::new(end.as_fd(), what)], PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn send(to: OwnedFd, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match write(&to, rest) {
            Ok(written) => rest = &rest[written..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => wait_for(&to, PollFlags::POLLOUT)?,
            Err(Errno::EPIPE | Errno::ECONNRESET) => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    let _ = shutdown(to.as_raw_fd(), Shutdown::Write);
    Ok(())
}

fn collect(from: OwnedFd) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    let mut piece = vec![0; 16 * 1024];
    loop {
        match read(&from, &mut piece) {
            Ok(0) | Err(Errno::ECONNRESET) => return Ok(output),
            Ok(length) => output.extend_from_slice(&piece[..length]),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => wait_for(&from, PollFlags::POLLIN)?,
            Err(errno) => return Err(errno.into()),
        }
    }
}
