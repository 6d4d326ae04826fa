//! A Unix socket that keeps messages apart (`SOCK_SEQPACKET`, man 7 unix).
//!
//! ```
//! let (here, there) = ipc::SeqPacket::pair()?;
//! here.send(b"one")?;
//! here.send(b"two")?;
//! let mut buffer = [0; 100];
//! // A stream might give "onetwo" here.
//! assert_eq!(there.receive(&mut buffer)?, Some(3));
//! # Ok::<(), ipc::PacketError>(())
//! ```

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::{error, fmt, io};

/// One end of a connection that carries whole messages, in order.
///
/// A signal never shows: waits go on after EINTR. No SIGPIPE is raised.
#[derive(Debug)]
pub struct SeqPacket(OwnedFd);

/// What can go wrong with a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum PacketError {
    /// The message is longer than the socket takes (about 200 KiB; man 7
    /// socket, `SO_SNDBUF`). Nothing was sent.
    TooLong(usize),
    /// An empty message cannot be told from the end of the connection. Nothing
    /// was sent.
    Empty,
    /// The message was longer than the buffer; its rest is lost.
    Truncated {
        /// Its length in bytes.
        length: usize,
        /// How many of them the buffer has.
        room: usize,
    },
    /// The other side is closed.
    Closed,
    /// The system call failed.
    Io(io::Error),
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PacketError::TooLong(length) => write!(
                f,
                "a message of {length} bytes is longer than the socket takes: send it in parts"
            ),
            PacketError::Empty => f.write_str(
                "an empty message cannot be told from the end of the connection: send a byte",
            ),
            PacketError::Truncated { length, room } => write!(
                f,
                "a message of {length} bytes came, and the buffer has room for {room}: \
                 its rest is lost"
            ),
            PacketError::Closed => f.write_str("the other side closed the connection"),
            PacketError::Io(error) => write!(f, "a seqpacket socket: {error}"),
        }
    }
}

impl error::Error for PacketError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            PacketError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl SeqPacket {
    /// Two connected ends, closed by exec.
    ///
    /// # Errors
    /// [`PacketError::Io`]: EMFILE, no descriptor is left.
    pub fn pair() -> Result<(SeqPacket, SeqPacket), PacketError> {
        let (family, flags) = (AddressFamily::Unix, SockFlag::SOCK_CLOEXEC);
        match socketpair(family, SockType::SeqPacket, None, flags) {
            Ok((one, other)) => Ok((SeqPacket(one), SeqPacket(other))),
            Err(errno) => Err(PacketError::Io(errno.into())),
        }
    }

    /// Sends one message, whole or not at all. Waits while the socket is full.
    ///
    /// # Errors
    /// [`PacketError::Empty`], [`PacketError::TooLong`],
    /// [`PacketError::Closed`], [`PacketError::Io`].
    pub fn send(&self, message: &[u8]) -> Result<(), PacketError> {
        // It waits, so it is never full.
        self.transmit(message, MsgFlags::empty()).map(|_| ())
    }

    /// The same without waiting: false if the socket is full.
    ///
    /// # Errors
    /// As for [`send`](SeqPacket::send).
    pub fn try_send(&self, message: &[u8]) -> Result<bool, PacketError> {
        self.transmit(message, MsgFlags::MSG_DONTWAIT)
    }

    /// Receives one message and says how long it is; `None` if the other side
    /// is closed. Waits for it.
    ///
    /// # Errors
    /// [`PacketError::Truncated`], [`PacketError::Io`].
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, PacketError> {
        loop {
            match self.accept(buffer, MsgFlags::empty())? {
                // Only on a socket that somebody made non-blocking.
                None => {
                    crate::socket::await_ready(self.as_fd(), nix::poll::PollFlags::POLLIN, None)
                        .map_err(PacketError::Io)?
                }
                Some(0) => return Ok(None),
                Some(length) => return Ok(Some(length)),
            };
        }
    }

    /// Without waiting: `None` if nothing is there, 0 at the end.
    pub(crate) fn try_receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, PacketError> {
        self.accept(buffer, MsgFlags::MSG_DONTWAIT)
    }

    fn transmit(&self, message: &[u8], flags: MsgFlags) -> Result<bool, PacketError> {
        if message.is_empty() {
            return Err(PacketError::Empty);
        }
        loop {
            match send(self.0.as_raw_fd(), message, flags | MsgFlags::MSG_NOSIGNAL) {
                Ok(_) => return Ok(true),
                Err(Errno::EAGAIN) => return Ok(false),
                Err(Errno::EINTR) => {}
                Err(Errno::EMSGSIZE) => return Err(PacketError::TooLong(message.len())),
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(PacketError::Closed),
                Err(errno) => return Err(PacketError::Io(errno.into())),
            }
        }
    }

    fn accept(&self, buffer: &mut [u8], flags: MsgFlags) -> Result<Option<usize>, PacketError> {
        let room = buffer.len();
        loop {
            // With MSG_TRUNC the kernel tells the message's length, not how
            // much of it fitted.
            match recv(self.0.as_raw_fd(), buffer, flags | MsgFlags::MSG_TRUNC) {
                Ok(length) if length > room => {
                    return Err(PacketError::Truncated { length, room });
                }
                Ok(length) => return Ok(Some(length)),
                Err(Errno::ECONNRESET) => return Ok(Some(0)),
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(PacketError::Io(errno.into())),
            }
        }
    }
}

impl AsFd for SeqPacket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<SeqPacket> for OwnedFd {
    fn from(socket: SeqPacket) -> OwnedFd {
        socket.0
    }
}
