//! A pair of Unix stream sockets.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{MsgFlags, recv};

use super::{Ends, Wire};
use crate::socket::{await_ready, transmit};

struct Stream(UnixStream);

pub(crate) fn streams() -> io::Result<Ends> {
    let (one, other) = UnixStream::pair()?;
    Ok((Box::new(Stream(one)), Box::new(Stream(other))))
}

impl Wire for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        transmit(self.0.as_fd(), bytes, false)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match recv(self.0.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(count) => return Ok(Some(count)),
                // The other side closed without having read everything that we
                // sent.
                Err(Errno::ECONNRESET) => return Ok(Some(0)),
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn await_room(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        await_ready(self.0.as_fd(), PollFlags::POLLOUT, deadline)
    }

    fn await_bytes(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        await_ready(self.0.as_fd(), PollFlags::POLLIN, deadline)
    }
}
