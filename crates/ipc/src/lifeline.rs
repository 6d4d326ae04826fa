//! How an end learns that the other side is gone if the transport does not
//! report it: a message queue and shared memory have no end of file.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::time::TimeSpec;

/// One end of a pair of sockets over which nothing is ever sent. The kernel
/// closes the other end when the last process that holds it is gone, even if
/// that process was killed.
#[derive(Debug)]
pub(crate) struct Lifeline(OwnedFd);

impl Lifeline {
    pub(crate) fn pair() -> io::Result<(Lifeline, Lifeline)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?;
        Ok((Lifeline(one), Lifeline(other)))
    }

    /// Whether no process holds the other end any more.
    pub(crate) fn is_cut(&self) -> bool {
        let mut watched = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        loop {
            match ppoll(&mut watched, Some(TimeSpec::new(0, 0)), None) {
                Ok(ready) => return ready > 0,
                Err(Errno::EINTR) => {}
                // If we cannot watch the line, we treat it as cut.
                Err(_) => return true,
            }
        }
    }
}

impl AsFd for Lifeline {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
