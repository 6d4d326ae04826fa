//! Correct in another way: it waits with epoll, which is told only once which
//! descriptors there are, and again when one of the streams has ended.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::{read, write};

/// How many bytes one read asks for: as many as a pipe usually holds.
const PIECE: usize = 64 * 1024;

/// Writes `input` to `to`, then ends that stream, and returns all bytes that
/// come out of `from` until its end.
///
/// The ends may be pipes or Unix stream sockets, also duplicates of one socket.
/// A peer that stops reading is no error. When the call returns, both
/// descriptors are closed, and the flags of their open files are as before.
///
/// # Errors
/// Those of read(2), write(2), poll(2) and fcntl(2), except EINTR, EPIPE and
/// ECONNRESET.
pub fn pump(to: OwnedFd, from: OwnedFd, input: &[u8]) -> io::Result<Vec<u8>> {
    let (to, from) = NonBlocking::pair(to, from)?;
    // `None` when the direction has ended.
    let (mut to, mut from) = (Some(to), Some(from));
    let waits = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    for (end, what) in [(&to, EpollFlags::EPOLLOUT), (&from, EpollFlags::EPOLLIN)] {
        if let Some(end) = end {
            waits.add(&end.end, EpollEvent::new(what, 0))?;
        }
    }
    let mut rest = input;
    let mut output = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        if let Some(end) = &to
            && write_some(end, &mut rest)?
        {
            // Fails if it is a pipe, which only has to be closed.
            let _ = shutdown(end.end.as_raw_fd(), Shutdown::Write);
            // A duplicate may be open elsewhere: closing it does not remove it.
            waits.delete(&end.end)?;
            to = None;
        }
        if let Some(end) = &from
            && read_some(end, &mut piece, &mut output)?
        {
            waits.delete(&end.end)?;
            from = None;
        }
        if to.is_none() && from.is_none() {
            return Ok(output);
        }
        sleep_until_one_is_ready(&waits)?;
    }
}

/// Writes once, if there is room. Returns whether this direction has ended:
/// `rest` is empty, or nobody will read it.
fn write_some(to: &NonBlocking, rest: &mut &[u8]) -> io::Result<bool> {
    if rest.is_empty() {
        return Ok(true);
    }
    match write(&to.end, rest) {
        Ok(written) => {
            *rest = &rest[written..];
            Ok(rest.is_empty())
        }
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
        // The peer has closed its end. A socket reports ECONNRESET if the peer
        // has left bytes unread.
        Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads once, if there is something. Returns whether the stream has ended.
fn read_some(from: &NonBlocking, piece: &mut [u8], output: &mut Vec<u8>) -> io::Result<bool> {
    match read(&from.end, piece) {
        Ok(0) => Ok(true),
        Ok(length) => {
            output.extend_from_slice(&piece[..length]);
            Ok(false)
        }
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(false),
        // Comes after the last byte that the peer wrote.
        Err(Errno::ECONNRESET) => Ok(true),
        Err(errno) => Err(errno.into()),
    }
}

/// Sleeps until a write or a read would not block, or a signal arrives.
fn sleep_until_one_is_ready(waits: &Epoll) -> io::Result<()> {
    match waits.wait(&mut [EpollEvent::empty(); 2], EpollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// An end that does not block. When it is dropped, it gets its flags back and
/// is closed.
struct NonBlocking {
    end: OwnedFd,
    before: OFlag,
}

impl NonBlocking {
    /// Both ends may refer to the same open file, and then they share their
    /// flags: so it reads both flags before it sets any.
    ///
    /// When one of the ends is dropped, the other may block again. That does no
    /// harm, because by then only one direction is left.
    fn pair(to: OwnedFd, from: OwnedFd) -> io::Result<(NonBlocking, NonBlocking)> {
        let remember = |end: OwnedFd| -> io::Result<NonBlocking> {
            let before = OFlag::from_bits_retain(fcntl(&end, FcntlArg::F_GETFL)?);
            Ok(NonBlocking { end, before })
        };
        let (to, from) = (remember(to)?, remember(from)?);
        for end in [&to, &from] {
            let flags = end.before | OFlag::O_NONBLOCK;
            fcntl(&end.end, FcntlArg::F_SETFL(flags))?;
        }
        Ok((to, from))
    }
}

impl Drop for NonBlocking {
    fn drop(&mut self) {
        let _ = fcntl(&self.end, FcntlArg::F_SETFL(self.before));
    }
}
