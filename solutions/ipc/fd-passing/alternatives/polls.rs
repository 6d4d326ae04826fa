//! Makes calls that do not wait, and waits in poll. It asks the socket how long
//! it may wait.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// Makes the call until it does not fail with EAGAIN, or the time is over.
fn patiently<A>(
    socket: &UnixStream,
    event: PollFlags,
    limit: Option<Duration>,
    call: impl Fn() -> nix::Result<A>,
) -> io::Result<A> {
    let flags = OFlag::from_bits_retain(fcntl(socket, FcntlArg::F_GETFL)?);
    let end = limit.map(|limit| Instant::now() + limit);
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) if !flags.contains(OFlag::O_NONBLOCK) => {
                let left = end.map(|end| end.saturating_duration_since(Instant::now()));
                if left == Some(Duration::ZERO) {
                    return Err(Errno::EAGAIN.into());
                }
                let left = left.map_or(PollTimeout::NONE, |left| {
                    PollTimeout::try_from(left.as_millis() + 1).unwrap_or(PollTimeout::MAX)
                });
                let _ = poll(&mut [PollFd::new(socket.as_fd(), event)], left);
            }
            other => return Ok(other?),
        }
    }
}

/// Sends one byte with one descriptor.
pub fn send_file(socket: &UnixStream, file: BorrowedFd<'_>) -> io::Result<()> {
    let files = [file.as_raw_fd()];
    let control = [ControlMessage::ScmRights(&files)];
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    let byte = [IoSlice::new(b"\0")];
    let call = || sendmsg::<()>(socket.as_raw_fd(), &byte, &control, flags, None);
    patiently(socket, PollFlags::POLLOUT, socket.write_timeout()?, call).map(drop)
}

/// Receives one byte with at most one descriptor.
pub fn receive_file(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let call = || receive(socket.as_raw_fd());
    let limit = socket.read_timeout()?;
    let (length, mut files, lost) = patiently(socket, PollFlags::POLLIN, limit, call)?;
    if length == 0 {
        return Ok(None);
    }
    if lost || files.len() != 1 {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(files.pop())
}

fn receive(socket: RawFd) -> nix::Result<(isize, Vec<OwnedFd>, bool)> {
    let mut byte = [0_u8];
    let mut control = [0_u64; 160];
    let mut buffer = libc::iovec {
        iov_base: byte.as_mut_ptr().cast(),
        iov_len: 1,
    };
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: zeros are a valid header, and everything to which it points lives
    // until the end. The kernel has opened what it lists for this process.
    unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        header.msg_iov = &raw mut buffer;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control) as _;
        let length = Errno::result(libc::recvmsg(socket, &raw mut header, flags))?;
        let mut files = Vec::new();
        let mut message = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(found) = message.as_ref() {
            if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_RIGHTS {
                let size = found.cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                let mut numbers = vec![0; size / size_of::<RawFd>()];
                let data = libc::CMSG_DATA(message);
                std::ptr::copy_nonoverlapping(data, numbers.as_mut_ptr().cast(), size);
                files.extend(
                    numbers
                        .into_iter()
                        .map(|number| OwnedFd::from_raw_fd(number)),
                );
            }
            message = libc::CMSG_NXTHDR(&raw const header, message);
        }
        Ok((length, files, header.msg_flags & libc::MSG_CTRUNC != 0))
    }
}
