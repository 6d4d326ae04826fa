//! Correct in another way: it waits with select, and reads in small pieces.
//! select works with descriptors below 1,024 only, and the tests use no others.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::select::{FdSet, select};
use nix::sys::socket::{Shutdown, shutdown};
use nix::unistd::{read, write};

/// How many bytes one read asks for: one page of a pipe.
const PIECE: usize = 4096;

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
    let mut rest = input;
    let mut output = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        if let Some(end) = &to
            && write_some(end, &mut rest)?
        {
            // Fails if it is a pipe, which only has to be closed.
            let _ = shutdown(end.end.as_raw_fd(), Shutdown::Write);
            to = None;
        }
        if let Some(end) = &from
            && read_some(end, &mut piece, &mut output)?
        {
            from = None;
        }
        if to.is_none() && from.is_none() {
            return Ok(output);
        }
        sleep_until_one_is_ready(to.as_ref(), from.as_ref())?;
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
fn sleep_until_one_is_ready(
    to: Option<&NonBlocking>,
    from: Option<&NonBlocking>,
) -> io::Result<()> {
    let (mut writers, mut readers) = (FdSet::new(), FdSet::new());
    if let Some(to) = to {
        writers.insert(to.end.as_fd());
    }
    if let Some(from) = from {
        readers.insert(from.end.as_fd());
    }
    match select(None, &mut readers, &mut writers, None, None) {
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
