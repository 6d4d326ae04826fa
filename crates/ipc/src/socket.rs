//! The system calls under a channel, each with its interruptions handled.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, send, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use processes::Pid;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Instant;

/// Asks the kernel to attach the sender's pid, uid and gid to what arrives
/// from now on.
pub(crate) fn attest_senders(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, sockopt::PassCred, &true)?)
}

/// What one `recvmsg` brought.
pub(crate) enum Arrival {
    /// So many bytes, all from one process: the kernel never joins bytes of
    /// two writers in one call once it attests them (man 7 unix). The pid is
    /// 0 if the kernel names none.
    Bytes(usize, Pid),
    /// The other side is closed.
    End,
    /// Nothing was there, and the call was not to wait.
    Nothing,
}

/// Receives into `buffer`, which must not be empty. Waits only if `wait`, and
/// not if somebody made the socket non-blocking.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    wait: bool,
) -> io::Result<Arrival> {
    // Room for the credentials and for nothing else: descriptors that a
    // hostile sender attaches do not fit, and the kernel closes them.
    let mut control = cmsg_space!(UnixCredentials);
    let flags = if wait {
        MsgFlags::empty()
    } else {
        MsgFlags::MSG_DONTWAIT
    };
    loop {
        let mut parts = [IoSliceMut::new(buffer)];
        match recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), flags) {
            // ECONNRESET: the other side closed without having read all that
            // we sent. That is its end all the same.
            Err(Errno::ECONNRESET) => return Ok(Arrival::End),
            Err(Errno::EAGAIN) => return Ok(Arrival::Nothing),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
            Ok(message) if message.bytes == 0 => return Ok(Arrival::End),
            Ok(message) => {
                let sender = message.cmsgs()?.find_map(|control| match control {
                    ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.pid()),
                    _ => None,
                });
                return Ok(Arrival::Bytes(message.bytes, sender.unwrap_or(0)));
            }
        }
    }
}

/// Writes a part of `bytes` and says how much; `None` if the socket is full
/// and the call was not to wait. EPIPE comes as an error, never as SIGPIPE.
pub(crate) fn transmit(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    wait: bool,
) -> io::Result<Option<usize>> {
    let mut flags = MsgFlags::MSG_NOSIGNAL;
    flags.set(MsgFlags::MSG_DONTWAIT, !wait);
    loop {
        match send(socket.as_raw_fd(), bytes, flags) {
            Ok(count) => return Ok(Some(count)),
            Err(Errno::EAGAIN) => return Ok(None),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Waits until the socket is ready for `events` (or broken, which the next
/// call on it tells): false if the deadline comes first. Signals do not
/// prolong the wait.
pub(crate) fn await_ready(
    socket: BorrowedFd<'_>,
    events: PollFlags,
    deadline: Option<Instant>,
) -> io::Result<bool> {
    loop {
        let mut watched = [PollFd::new(socket, events)];
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        match ppoll(&mut watched, left.map(TimeSpec::from_duration), None) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}
