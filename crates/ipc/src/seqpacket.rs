//! A Unix socket that keeps message boundaries (`SOCK_SEQPACKET`, man 7 unix).
//!
//! ```
//! let (here, there) = ipc::SeqPacket::pair()?;
//! here.send(b"one")?;
//! here.send(b"two")?;
//! let mut buffer = [0; 100];
//! // A stream socket might return "onetwo" here.
//! assert_eq!(there.receive(&mut buffer)?, Some(3));
//! # Ok::<(), ipc::PacketError>(())
//! ```

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::{error, fmt, io};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};

use crate::socket::await_ready;

/// One end of a connection that carries whole messages, in order.
///
/// Signals do not disturb a call: each wait continues after EINTR. No call
/// raises SIGPIPE.
#[derive(Debug)]
pub struct SeqPacket(OwnedFd);

/// Why a message was not sent or not received.
#[derive(Debug)]
#[non_exhaustive]
pub enum PacketError {
    /// The message, of this many bytes, is longer than the socket accepts
    /// (about 200 KiB; man 7 socket, `SO_SNDBUF`). Nothing was sent.
    TooLong(usize),
    /// The message is empty. The receiver could not distinguish it from the end
    /// of the connection. Nothing was sent.
    Empty,
    /// The message was longer than the buffer. The part that did not fit is
    /// lost.
    Truncated {
        /// The length of the message in bytes.
        length: usize,
        /// The length of the buffer in bytes.
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
                "a message of {length} bytes is longer than the socket accepts: send it in parts"
            ),
            PacketError::Empty => f.write_str(
                "the receiver would take an empty message for the end of the connection: \
                 send at least one byte",
            ),
            PacketError::Truncated { length, room } => write!(
                f,
                "a message of {length} bytes arrived, but the buffer has room for only {room}: \
                 the rest of the message is lost"
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
    /// Creates two connected ends. Exec closes them. To give one of them to a
    /// forked child, see [`fork_between`](crate::fork_between).
    ///
    /// # Errors
    /// [`PacketError::Io`] with EMFILE if no descriptor is left.
    pub fn pair() -> Result<(SeqPacket, SeqPacket), PacketError> {
        let (family, flags) = (AddressFamily::Unix, SockFlag::SOCK_CLOEXEC);
        match socketpair(family, SockType::SeqPacket, None, flags) {
            Ok((one, other)) => Ok((SeqPacket(one), SeqPacket(other))),
            Err(errno) => Err(PacketError::Io(errno.into())),
        }
    }

    /// Sends one message, whole or not at all. Waits while the socket is full,
    /// even if other code made the socket non-blocking.
    ///
    /// # Errors
    /// [`PacketError::Empty`], [`PacketError::TooLong`],
    /// [`PacketError::Closed`], [`PacketError::Io`].
    pub fn send(&self, message: &[u8]) -> Result<(), PacketError> {
        while !self.transmit(message, MsgFlags::empty())? {
            // This happens only if other code made the socket non-blocking.
            self.await_ready(PollFlags::POLLOUT)?;
        }
        Ok(())
    }

    /// Like [`send`](SeqPacket::send), but does not wait. Returns false if the
    /// socket is full.
    ///
    /// # Errors
    /// As for [`send`](SeqPacket::send).
    pub fn try_send(&self, message: &[u8]) -> Result<bool, PacketError> {
        self.transmit(message, MsgFlags::MSG_DONTWAIT)
    }

    /// Receives one message and returns its length, or `None` if the other side
    /// is closed. Waits until a message arrives.
    ///
    /// # Errors
    /// [`PacketError::Truncated`], [`PacketError::Io`].
    pub fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, PacketError> {
        loop {
            match self.accept(buffer, MsgFlags::empty())? {
                // This happens only if other code made the socket non-blocking.
                None => self.await_ready(PollFlags::POLLIN)?,
                Some(0) => return Ok(None),
                Some(length) => return Ok(Some(length)),
            }
        }
    }

    /// Like [`receive`](SeqPacket::receive), but does not wait. Returns `None`
    /// if no message is there, and 0 if the other side is closed.
    pub(crate) fn try_receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, PacketError> {
        self.accept(buffer, MsgFlags::MSG_DONTWAIT)
    }

    fn await_ready(&self, events: PollFlags) -> Result<(), PacketError> {
        let ready = await_ready(self.as_fd(), events, None);
        ready.map(|_| ()).map_err(PacketError::Io)
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
            // With MSG_TRUNC the kernel returns the length of the message, not
            // the length of the part that fitted into the buffer.
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
