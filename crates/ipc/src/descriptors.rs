//! Sending open files over a socket: `SCM_RIGHTS` (man 7 unix).
//!
//! A process does not send the number of the descriptor, because in another
//! process this number means another file or none. The kernel passes on the
//! open file itself, and chooses a free number for it in the receiving process.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::os::fd::AsFd;
//! use std::os::unix::net::UnixStream;
//!
//! let (here, there) = UnixStream::pair()?;
//! let (reader, mut writer) = std::io::pipe()?;
//! ipc::send_descriptors(&here, b"a pipe", &[reader.as_fd()])?;
//!
//! let mut message = [0; 100];
//! let mut passed = ipc::receive_descriptors(&there, &mut message, 1)?;
//! assert_eq!(&message[..passed.length], b"a pipe");
//! let mut copy = std::fs::File::from(passed.descriptors.remove(0));
//! writer.write_all(b"through the copy")?;
//! let mut text = [0; 16];
//! copy.read_exact(&mut text)?;
//! assert_eq!(&text, b"through the copy");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::{error, fmt, io};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::socket::{await_ready, transmit};

/// The most descriptors that fit into one message (the kernel's `SCM_MAX_FD`).
pub const MOST_DESCRIPTORS: usize = 253;

/// A received message and its descriptors.
#[derive(Debug)]
pub struct Passed {
    /// How many bytes of the buffer the message fills; 0 if the other side is
    /// closed.
    pub length: usize,
    /// The descriptors that came with the message. Exec closes them.
    pub descriptors: Vec<OwnedFd>,
}

/// Why descriptors were not received.
#[derive(Debug)]
#[non_exhaustive]
pub enum PassError {
    /// The sender sent more descriptors than expected, or more than this
    /// process may open. The descriptors that did arrive have been closed
    /// again.
    TooMany {
        /// How many descriptors were expected.
        expected: usize,
        /// How many descriptors arrived. The kernel may have cut off others.
        arrived: usize,
    },
    /// The message is longer than the buffer, on a socket that keeps message
    /// boundaries. The descriptors have been closed again.
    MessageTooLong,
    /// The system call failed.
    Io(io::Error),
}

impl fmt::Display for PassError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PassError::TooMany { expected, arrived } => write!(
                f,
                "the other side sent more descriptors than the {expected} expected, or more \
                 than this process may open (ulimit -n): {arrived} arrived and were closed again"
            ),
            PassError::MessageTooLong => {
                f.write_str("the message with the descriptors is longer than the buffer")
            }
            PassError::Io(error) => write!(f, "receiving descriptors: {error}"),
        }
    }
}

impl error::Error for PassError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            PassError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<PassError> for io::Error {
    fn from(error: PassError) -> io::Error {
        match error {
            PassError::Io(error) => error,
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }
}

/// Sends a message of at least one byte together with descriptors. The
/// descriptors also stay open in this process.
///
/// Waits while the socket is full, even if other code made it non-blocking, and
/// continues after EINTR. The call never raises SIGPIPE. A stream may take the
/// message in parts: the descriptors travel with the first part.
///
/// # Errors
/// `InvalidInput` for an empty message (a stream would not carry it) or for
/// more than [`MOST_DESCRIPTORS`] descriptors; `BrokenPipe` if the other side
/// is closed; ETOOMANYREFS if too many descriptors have been sent and not yet
/// received. After an error on a stream, the other side may have received the
/// beginning of the message and the descriptors: close the stream.
pub fn send_descriptors(
    socket: impl AsFd,
    message: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    if message.is_empty() || descriptors.len() > MOST_DESCRIPTORS {
        let (length, count) = (message.len(), descriptors.len());
        let message = format!(
            "a message of {length} bytes with {count} descriptors cannot be sent: it needs at \
             least 1 byte and at most {MOST_DESCRIPTORS} descriptors"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let socket = socket.as_fd();
    let mut sent = begin(socket, message, descriptors)?;
    // A second sendmsg with the descriptors would send them twice.
    while let rest @ [_, ..] = &message[sent..] {
        match transmit(socket, rest, true)? {
            Some(count) => sent += count,
            None => _ = await_ready(socket, PollFlags::POLLOUT, None)?,
        }
    }
    Ok(())
}

/// Sends the beginning of the message with all the descriptors, and returns how
/// many bytes it sent: at least one.
fn begin(
    socket: BorrowedFd<'_>,
    message: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let attached = [ControlMessage::ScmRights(&numbers)];
    let attached = &attached[..usize::from(!numbers.is_empty())];
    let (parts, flags) = ([io::IoSlice::new(message)], MsgFlags::MSG_NOSIGNAL);
    loop {
        match sendmsg::<()>(socket.as_raw_fd(), &parts, attached, flags, None) {
            Ok(sent) => return Ok(sent),
            Err(Errno::EAGAIN) => _ = await_ready(socket, PollFlags::POLLOUT, None)?,
            // The kernel returns EINTR only if it has sent nothing.
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Receives a message with up to `most` descriptors. Waits for the message,
/// even if other code made the socket non-blocking, and continues after EINTR.
///
/// On a stream, the bytes that one call returns end with the bytes that the
/// descriptors were sent with.
///
/// # Errors
/// [`PassError`]. After any error, no received descriptor is left open.
pub fn receive_descriptors(
    socket: impl AsFd,
    buffer: &mut [u8],
    most: usize,
) -> Result<Passed, PassError> {
    let socket = socket.as_fd();
    let expected = most.min(MOST_DESCRIPTORS);
    // SAFETY: CMSG_SPACE only computes a number.
    let space = unsafe { libc::CMSG_SPACE((expected * size_of::<RawFd>()) as u32) } as usize;
    // The buffer consists of words, because the headers in it must be aligned.
    let mut control = vec![0_u64; space.div_ceil(8)];
    let mut part = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    // SAFETY: an all-zero msghdr is valid: it has no address and no buffers.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    let length = loop {
        message.msg_controllen = if expected == 0 { 0 } else { space as _ };
        let (fd, flags) = (socket.as_raw_fd(), libc::MSG_CMSG_CLOEXEC);
        // With the flag, exec closes the descriptors from the first moment on.
        // SAFETY: the message names two buffers, which belong to us and are as
        // long as the message says.
        let count = unsafe { libc::recvmsg(fd, &raw mut message, flags) };
        match Errno::result(count) {
            Ok(count) => break count.unsigned_abs(),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                await_ready(socket, PollFlags::POLLIN, None).map_err(PassError::Io)?;
            }
            // The other side closed without having read everything that we
            // sent.
            Err(Errno::ECONNRESET) => {
                let descriptors = Vec::new();
                let length = 0;
                return Ok(Passed {
                    length,
                    descriptors,
                });
            }
            Err(errno) => return Err(PassError::Io(errno.into())),
        }
    };
    // Take ownership of the descriptors first, so that every error below closes
    // them.
    // SAFETY: the kernel has just filled in the message, and `control` is
    // alive.
    let descriptors = unsafe { descriptors(&message) };
    let arrived = descriptors.len();
    // Count them, too: the size of the buffer is rounded up to a multiple of
    // eight bytes, so it may have room for one descriptor more than expected.
    if message.msg_flags & libc::MSG_CTRUNC != 0 || arrived > expected {
        return Err(PassError::TooMany { expected, arrived });
    }
    if message.msg_flags & libc::MSG_TRUNC != 0 {
        return Err(PassError::MessageTooLong);
    }
    Ok(Passed {
        length,
        descriptors,
    })
}

/// The descriptors in the control data, even if the kernel truncated it.
///
/// # Safety
/// `recvmsg` must have filled in this message, and its control buffer must
/// still be alive. The caller must call this only once for a message, because
/// the result owns the descriptors.
unsafe fn descriptors(message: &libc::msghdr) -> Vec<OwnedFd> {
    let mut all = Vec::new();
    // SAFETY: the kernel keeps headers and data within msg_controllen, and the
    // macros stay within it. The numbers may be unaligned. The descriptors have
    // no other owner.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(message);
        while !header.is_null() {
            if ((*header).cmsg_level, (*header).cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let data = libc::CMSG_DATA(header).cast::<RawFd>();
                let length = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                for at in 0..length / size_of::<RawFd>() {
                    all.push(OwnedFd::from_raw_fd(data.add(at).read_unaligned()));
                }
            }
            header = libc::CMSG_NXTHDR(message, header);
        }
    }
    all
}
