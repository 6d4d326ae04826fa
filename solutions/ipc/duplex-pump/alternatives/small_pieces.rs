//! Correct in another way: the flags are never changed. After POLLOUT a pipe
//! takes PIPE_BUF bytes without blocking (pipe(7)), and a socket is written
//! with MSG_DONTWAIT.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, Shutdown, send, shutdown};
use nix::unistd::{read, write};

/// Writes only after POLLOUT and reads only after POLLIN.
pub fn pump(to: OwnedFd, from: OwnedFd, input: &[u8]) -> io::Result<Vec<u8>> {
    let mut to = Some(to);
    let mut from = Some(from);
    let mut rest = input;
    let mut output = Vec::new();
    let mut piece = vec![0; 32 * 1024];
    loop {
        if rest.is_empty()
            && let Some(end) = to.take()
        {
            let _ = shutdown(end.as_raw_fd(), Shutdown::Write);
        }
        let mut ends = Vec::new();
        ends.extend(
            to.iter()
                .map(|to| PollFd::new(to.as_fd(), PollFlags::POLLOUT)),
        );
        ends.extend(
            from.iter()
                .map(|from| PollFd::new(from.as_fd(), PollFlags::POLLIN)),
        );
        if ends.is_empty() {
            return Ok(output);
        }
        match poll(&mut ends, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let mut ready = ends.iter().map(|end| end.any() == Some(true));
        let may_write = to.is_some() && ready.next() == Some(true);
        let may_read = from.is_some() && ready.next() == Some(true);
        if may_write && let Some(end) = &to {
            match write_without_sleep(end, rest) {
                Ok(written) => rest = &rest[written..],
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(Errno::EPIPE | Errno::ECONNRESET) => rest = &[],
                Err(errno) => return Err(errno.into()),
            }
        }
        if may_read && let Some(end) = &from {
            match read(end, &mut piece) {
                Ok(0) | Err(Errno::ECONNRESET) => from = None,
                Ok(length) => output.extend_from_slice(&piece[..length]),
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

fn write_without_sleep(to: &OwnedFd, rest: &[u8]) -> nix::Result<usize> {
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    match send(to.as_raw_fd(), rest, flags) {
        Err(Errno::ENOTSOCK) => write(to, &rest[..rest.len().min(libc::PIPE_BUF)]),
        sent => sent,
    }
}
