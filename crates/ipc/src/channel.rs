//! A typed channel over a Unix stream socket.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrLike, SockaddrStorage, getsockname, getsockopt,
    socketpair, sockopt,
};
use processes::Pid;
use processes::frame;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::framed::KEPT;
use crate::incoming::Incoming;
use crate::socket::{attest_senders, await_ready, transmit};
use crate::{RecvError, SendError};

/// The default for the longest body that a channel sends or accepts: 64 MiB.
pub const DEFAULT_LIMIT: u32 = 64 * 1024 * 1024;

/// One end of a channel that sends values of type `S` and receives values of
/// type `R`. The other end is a `Channel<R, S>`, usually in another process.
///
/// Dropping an end closes it. The other side then receives
/// [`RecvError::Closed`], unless a forked child still holds a copy of the
/// dropped end ([`fork_between`](crate::fork_between) prevents that).
///
/// If both ends send more than the socket holds (about 200 KiB) before they
/// receive, they wait for each other for ever. Let one end receive first, or
/// use [`send_timeout`](Channel::send_timeout).
///
/// Signals do not disturb a call: each call continues after EINTR, and signals
/// do not prolong a deadline.
pub struct Channel<S, R> {
    socket: OwnedFd,
    limit: u32,
    incoming: Incoming,
    outgoing: Outgoing,
    types: PhantomData<fn(S) -> R>,
}

/// Encoded frames that are still to be written. Empty between two calls, unless
/// the earlier call stopped half-way.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

/// A message and the process that wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<R> {
    /// The message.
    pub value: R,
    /// The ID of the process that wrote the message, as the kernel reports it
    /// in the receiver's pid namespace (man 7 unix, `SCM_CREDENTIALS`). That
    /// process may have ended since. The ID is 0 if the receiver cannot see the
    /// sender's pid namespace, or if the sender wrote before either end was a
    /// `Channel`.
    ///
    /// A sender with `CAP_SYS_ADMIN` (root) can claim to be any other process.
    pub sender: Pid,
}

/// Creates two connected ends. Exec closes their descriptors, unless you pass
/// them to the new program (`processes::Spec::pass`).
///
/// # Errors
/// EMFILE if this process has no descriptor left, ENFILE if the whole system
/// has none left.
pub fn pair<A, B>() -> io::Result<(Channel<A, B>, Channel<B, A>)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (one, other) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?;
    Ok((Channel::from_fd(one)?, Channel::from_fd(other)?))
}

impl<S, R> Channel<S, R> {
    /// Makes a channel from one end of a Unix stream socket, for instance from
    /// a descriptor that was passed through exec. From now on, exec closes the
    /// descriptor.
    ///
    /// # Errors
    /// `InvalidInput` if the descriptor is not a Unix stream socket.
    pub fn from_fd(socket: OwnedFd) -> io::Result<Channel<S, R>> {
        if !is_unix_stream(&socket) {
            let fd = socket.as_raw_fd();
            let message = format!("descriptor {fd} is not a Unix stream socket");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        attest_senders(&socket)?;
        Ok(Channel {
            socket,
            limit: DEFAULT_LIMIT,
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
            types: PhantomData,
        })
    }

    /// Returns the socket. A channel never reads ahead, so between two messages
    /// all unread bytes are still in the kernel. A message that a timeout cut
    /// in two is lost.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.socket
    }

    /// How many bytes of an incomplete message have arrived, including its
    /// 4-byte header. The number is 0 between two messages.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.incoming.begun()
    }

    /// Sets the length of the longest body in bytes, for both directions. The
    /// channel refuses a longer body: when sending, before it writes a byte;
    /// when receiving, before it reads a byte of the body.
    pub fn set_limit(&mut self, bytes: u32) {
        self.limit = bytes;
    }
}

impl<S: Serialize, R> Channel<S, R> {
    /// Sends one message. Waits while the socket is full.
    ///
    /// When this call returns, the kernel has the message. The receiver may not
    /// have read it yet.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, message: &S) -> Result<(), SendError> {
        self.enqueue(message)?;
        self.drain(None).map(|_| ())
    }

    /// Like [`send`](Channel::send), but waits for at most `patience`. Returns
    /// false if the socket was still full at the end of this time. The message
    /// is then only partly written. The next
    /// [`flush_timeout`](Channel::flush_timeout) or send first writes the rest.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_timeout(&mut self, message: &S, patience: Duration) -> Result<bool, SendError> {
        self.enqueue(message)?;
        self.flush_timeout(patience)
    }

    /// Continues to write a message that timed out. Returns true once all of it
    /// is written.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::Io`].
    pub fn flush_timeout(&mut self, patience: Duration) -> Result<bool, SendError> {
        // A patience that exceeds the clock's range means no deadline.
        self.drain(Instant::now().checked_add(patience))
    }

    /// Encodes the message and appends it to the bytes still to be written.
    fn enqueue(&mut self, message: &S) -> Result<(), SendError> {
        if self.outgoing.sent == self.outgoing.bytes.len() {
            self.outgoing.bytes.clear();
            self.outgoing.bytes.shrink_to(KEPT);
            self.outgoing.sent = 0;
        }
        frame::append(&mut self.outgoing.bytes, message, self.limit)?;
        Ok(())
    }

    /// Writes until nothing is left. Returns false if the deadline comes first.
    fn drain(&mut self, deadline: Option<Instant>) -> Result<bool, SendError> {
        while let rest @ [_, ..] = &self.outgoing.bytes[self.outgoing.sent..] {
            let step = transmit(self.socket.as_fd(), rest, deadline.is_none());
            match step.map_err(SendError::of)? {
                Some(count) => self.outgoing.sent += count,
                None => {
                    let events = PollFlags::POLLOUT;
                    let ready = await_ready(self.socket.as_fd(), events, deadline);
                    if !ready.map_err(SendError::Io)? {
                        return Ok(false);
                    }
                }
            }
        }
        self.outgoing = Outgoing::default();
        Ok(true)
    }
}

impl<S, R: DeserializeOwned> Channel<S, R> {
    /// Receives one message. Waits for it as long as it takes.
    ///
    /// The peer chooses the bytes. If values of `R` can nest without limit (a
    /// list of itself), the peer can overflow the stack of this thread. If they
    /// can hold any number of elements that take no bytes (`Vec<()>`), the peer
    /// can use up the time of this thread. Use plain data.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv(&mut self) -> Result<Received<R>, RecvError> {
        loop {
            // Without a deadline, `recv_until` never returns `None`.
            if let Some(received) = self.recv_until(None)? {
                return Ok(received);
            }
        }
    }

    /// Receives one message. Returns `None` if no complete message has arrived
    /// in time. The channel keeps the part that has arrived, and the next call
    /// continues from there.
    ///
    /// With a patience of zero, it takes what has already arrived.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv_timeout(&mut self, patience: Duration) -> Result<Option<Received<R>>, RecvError> {
        match Instant::now().checked_add(patience) {
            Some(deadline) => self.recv_until(Some(deadline)),
            None => self.recv().map(Some),
        }
    }

    fn recv_until(&mut self, deadline: Option<Instant>) -> Result<Option<Received<R>>, RecvError> {
        let frame = self
            .incoming
            .frame(self.socket.as_fd(), self.limit, deadline)?;
        let Some((body, sender)) = frame else {
            return Ok(None);
        };
        let value = frame::decode(&body)?;
        Ok(Some(Received { value, sender }))
    }
}

impl<S, R> AsFd for Channel<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<S, R> fmt::Debug for Channel<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.socket.as_raw_fd();
        f.debug_struct("Channel")
            .field("fd", &fd)
            .field("limit", &self.limit)
            .finish()
    }
}

fn is_unix_stream(socket: &OwnedFd) -> bool {
    let stream = matches!(getsockopt(socket, sockopt::SockType), Ok(SockType::Stream));
    let address = getsockname::<SockaddrStorage>(socket.as_raw_fd());
    stream && address.is_ok_and(|address| address.family() == Some(AddressFamily::Unix))
}
