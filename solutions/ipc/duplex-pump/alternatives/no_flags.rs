//! Correct in another way: it changes no flags. A call on a socket does not sleep
//! with MSG_DONTWAIT. A pipe for which poll has reported room takes PIPE_BUF
//! bytes, so that a write of so many does not sleep either.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc::PIPE_BUF;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, Shutdown, recv, send, shutdown};
use nix::unistd::{read, write};

/// Writes `input` to `to`, then ends that stream, and returns all bytes that
/// come out of `from` until its end.
///
/// # Errors
/// Those of read(2), write(2) and poll(2), except EINTR, EPIPE and ECONNRESET.
pub fn pump(to: OwnedFd, from: OwnedFd, input: &[u8]) -> io::Result<Vec<u8>> {
    let (mut to, mut from) = (Some(to), Some(from));
    let mut rest = input;
    let mut output = Vec::new();
    let mut piece = vec![0; 32 * 1024];
    while to.is_some() || from.is_some() {
        // An empty rest is ended before anything is waited for.
        if let Some(end) = to.take_if(|_| rest.is_empty()) {
            // Fails if it is a pipe, which only has to be closed.
            let _ = shutdown(end.as_raw_fd(), Shutdown::Write);
            continue;
        }
        let (has_room, has_bytes) = wait(to.as_ref(), from.as_ref())?;
        if let Some(end) = to.as_ref().filter(|_| has_room) {
            match write_some(end, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::ECONNRESET) => rest = &[],
                Err(errno) => return Err(errno.into()),
            }
        }
        if let Some(end) = from.as_ref().filter(|_| has_bytes) {
            match read_some(end, &mut piece) {
                Ok(0) | Err(Errno::ECONNRESET) => from = None,
                Ok(length) => output.extend_from_slice(&piece[..length]),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    Ok(output)
}

fn write_some(to: &OwnedFd, rest: &[u8]) -> nix::Result<usize> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    match send(to.as_raw_fd(), rest, flags) {
        Err(Errno::ENOTSOCK) => write(to, &rest[..rest.len().min(PIPE_BUF)]),
        sent => sent,
    }
}

fn read_some(from: &OwnedFd, piece: &mut [u8]) -> nix::Result<usize> {
    match recv(from.as_raw_fd(), piece, MsgFlags::MSG_DONTWAIT) {
        // It has bytes or has ended: poll says so.
        Err(Errno::ENOTSOCK) => read(from, piece),
        received => received,
    }
}

/// Sleeps until there is room, or there are bytes, or a stream has ended, and
/// returns for each stream whether it is ready.
fn wait(to: Option<&OwnedFd>, from: Option<&OwnedFd>) -> io::Result<(bool, bool)> {
    let room = to.map(|to| PollFd::new(to.as_fd(), PollFlags::POLLOUT));
    let bytes = from.map(|from| PollFd::new(from.as_fd(), PollFlags::POLLIN));
    let mut ends: Vec<PollFd> = room.into_iter().chain(bytes).collect();
    match poll(&mut ends, PollTimeout::NONE) {
        Ok(_) => {}
        Err(Errno::EINTR) => return Ok((false, false)),
        Err(errno) => return Err(errno.into()),
    }
    // Everything but 0 is something that the next call reports.
    let mut ready = ends.iter().map(|end| end.any().unwrap_or(true));
    let has_room = to.is_some() && ready.next().unwrap_or(false);
    Ok((has_room, from.is_some() && ready.next().unwrap_or(false)))
}
