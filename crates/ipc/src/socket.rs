//! The system calls that a channel uses. Each function handles EINTR.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{MsgFlags, send, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use processes::Pid;

/// Asks the kernel to attach the sender's pid, uid and gid to everything that
/// arrives from now on.
pub(crate) fn attest_senders(socket: &impl AsFd) -> io::Result<()> {
    Ok(setsockopt(socket, sockopt::PassCred, &true)?)
}

/// The result of one `recvmsg`.
pub(crate) enum Arrival {
    /// This many bytes, all from one process. Once the kernel attaches the
    /// sender, it never returns bytes of two writers in one call (man 7 unix).
    /// The pid is 0 if the kernel reports no sender.
    Bytes(usize, Pid),
    /// The other side is closed.
    End,
    /// No bytes were there, and the call did not wait.
    Nothing,
}

/// Receives into `buffer`, which must not be empty. Waits only if `wait` is
/// true and no other code has made the socket non-blocking.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    wait: bool,
) -> io::Result<Arrival> {
    let flags = if wait { 0 } else { libc::MSG_DONTWAIT };
    let mut control = Control::new();
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    loop {
        // SAFETY: an all-zero msghdr is valid: it has no address and no
        // buffers.
        let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = Control::SIZE as _;
        // SAFETY: the message names one buffer for the bytes and one for the
        // credentials. Both belong to us and are as long as the message says.
        let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
        match Errno::result(count) {
            // ECONNRESET: the other side closed without having read everything
            // that we sent. This is an end, too.
            Ok(0) | Err(Errno::ECONNRESET) => return Ok(Arrival::End),
            Ok(count) => {
                // SAFETY: the kernel has just filled in the message.
                let sender = unsafe { sender(&message) };
                return Ok(Arrival::Bytes(count.unsigned_abs(), sender));
            }
            Err(Errno::EAGAIN) => return Ok(Arrival::Nothing),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Room for the credentials and for nothing else. Descriptors that a hostile
/// sender attaches do not fit, and the kernel closes them. (The kernel then
/// also sets MSG_CTRUNC. Ready-made parsers of control data report this as an
/// error, so a sender could end our channel with it.)
#[repr(align(8))]
struct Control([u8; Control::SIZE]);

impl Control {
    // SAFETY: CMSG_SPACE only computes a number.
    const SIZE: usize = unsafe { libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) } as usize;

    fn new() -> Control {
        Control([0; Control::SIZE])
    }
}

/// The process ID of the sender, as the kernel reports it; 0 if it reports
/// none.
///
/// # Safety
/// `recvmsg` must have filled in this message, and its control buffer must
/// still be alive.
unsafe fn sender(message: &libc::msghdr) -> Pid {
    let expected = (libc::SOL_SOCKET, libc::SCM_CREDENTIALS);
    // SAFETY: the kernel keeps the headers within msg_controllen. The data of
    // SCM_CREDENTIALS is a whole ucred, which may be unaligned.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(message);
        if header.is_null() || ((*header).cmsg_level, (*header).cmsg_type) != expected {
            return 0;
        }
        libc::CMSG_DATA(header)
            .cast::<libc::ucred>()
            .read_unaligned()
            .pid
    }
}

/// Writes part of `bytes` and returns how many bytes it wrote. Returns `None`
/// if the socket is full and the call must not wait. A closed peer leads to the
/// error EPIPE, never to SIGPIPE.
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

/// Waits until the socket is ready for `events` or is broken; the next call on
/// a broken socket reports the error. Returns false if the deadline comes
/// first. Signals do not prolong the wait.
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
