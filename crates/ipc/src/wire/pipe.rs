//! Two pipes, one for each direction (man 7 pipe).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use nix::unistd::{pipe2, read, write};

use super::{Ends, Wire};
use crate::socket::await_ready;

struct Pipes {
    from_peer: OwnedFd,
    to_peer: OwnedFd,
}

/// A pipe holds 64 KiB. A write to a pipe whose read end is closed raises
/// SIGPIPE. Rust's runtime ignores this signal, so the write only fails with
/// EPIPE.
pub(crate) fn pipes() -> io::Result<Ends> {
    let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let (one_reads, other_writes) = pipe2(flags)?;
    let (other_reads, one_writes) = pipe2(flags)?;
    let one = Pipes {
        from_peer: one_reads,
        to_peer: one_writes,
    };
    let other = Pipes {
        from_peer: other_reads,
        to_peer: other_writes,
    };
    Ok((Box::new(one), Box::new(other)))
}

impl Wire for Pipes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        retry(|| write(&self.to_peer, bytes))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        retry(|| read(&self.from_peer, buffer))
    }

    fn await_room(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        await_ready(self.to_peer.as_fd(), PollFlags::POLLOUT, deadline)
    }

    fn await_bytes(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        await_ready(self.from_peer.as_fd(), PollFlags::POLLIN, deadline)
    }
}

fn retry(mut call: impl FnMut() -> nix::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match call() {
            Ok(count) => return Ok(Some(count)),
            Err(Errno::EAGAIN) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
