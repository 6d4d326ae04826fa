//! A typed channel: values in, values out.

use crate::incoming::{HEADER, Incoming};
use crate::socket::{attest_senders, await_ready, transmit};
use crate::{RecvError, SendError};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrLike, SockaddrStorage, getsockname, getsockopt,
    socketpair, sockopt,
};
use processes::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// The longest body that a channel sends or accepts unless told otherwise:
/// 64 MiB.
pub const DEFAULT_LIMIT: u32 = 64 * 1024 * 1024;

/// One end of a channel that sends values of type `S` and receives values of
/// type `R`. The other end is a `Channel<R, S>`, as a rule in another process.
///
/// Dropping an end closes it; the other side then receives
/// [`RecvError::Closed`] – unless a forked child still holds a copy.
///
/// Two ends that both send more than the socket holds (about 200 KiB) before
/// they receive wait for each other for ever: let one of them listen, or use
/// [`send_timeout`](Channel::send_timeout).
///
/// Signals never surface: every call goes on after EINTR, and a deadline is
/// not prolonged by it.
pub struct Channel<S, R> {
    socket: OwnedFd,
    limit: u32,
    incoming: Incoming,
    outgoing: Outgoing,
    types: PhantomData<fn(S) -> R>,
}

/// Frames on their way out; empty unless a call gave up half-way.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    sent: usize,
}

/// A message, and who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<R> {
    /// The message.
    pub value: R,
    /// The process that wrote it, as the kernel attests (man 7 unix,
    /// `SCM_CREDENTIALS`): its number as seen from here, even if it has ended
    /// since. 0 if it lives in a pid namespace that cannot be seen from here,
    /// or wrote before either end was a `Channel`.
    ///
    /// A sender with `CAP_SYS_ADMIN` (root) may name any process it likes.
    pub sender: Pid,
}

/// Two connected ends; the descriptors are closed by exec, unless passed on
/// purpose (`processes::Spec::pass`).
///
/// # Errors
/// EMFILE and ENFILE: no descriptor is left for this process, or for all.
pub fn pair<A, B>() -> io::Result<(Channel<A, B>, Channel<B, A>)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (one, other) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?;
    Ok((Channel::from_fd(one)?, Channel::from_fd(other)?))
}

impl<S, R> Channel<S, R> {
    /// Makes a channel of one end of a Unix stream socket, for instance of a
    /// descriptor that was passed through exec. From now on exec closes it.
    ///
    /// # Errors
    /// `InvalidInput` if it is anything else than a Unix stream socket.
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

    /// The socket. Between two messages it holds no state but the kernel's:
    /// nothing is read ahead. A message that a timeout cut in two is lost.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.socket
    }

    /// Bytes of a message that has begun to arrive and is not whole yet,
    /// length included; 0 between messages.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.incoming.begun()
    }

    /// The longest body in bytes, for both directions. A longer one is
    /// refused: when sending before a byte is written, when receiving before
    /// a byte of it is read.
    pub fn set_limit(&mut self, bytes: u32) {
        self.limit = bytes;
    }
}

impl<S: Serialize, R> Channel<S, R> {
    /// Sends one message, and waits while the socket is full.
    ///
    /// Returning says that the kernel has the message, not that anybody read
    /// it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, message: &S) -> Result<(), SendError> {
        self.enqueue(message)?;
        self.drain(None).map(|_| ())
    }

    /// The same with an end to patience: false if the socket was still full
    /// when the time was over. The message is then on its way in parts; the
    /// rest follows with the next [`flush_timeout`](Channel::flush_timeout)
    /// or send, in order.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_timeout(&mut self, message: &S, patience: Duration) -> Result<bool, SendError> {
        self.enqueue(message)?;
        self.flush_timeout(patience)
    }

    /// Goes on with a message that ran out of time: true once all is written.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::Io`].
    pub fn flush_timeout(&mut self, patience: Duration) -> Result<bool, SendError> {
        // A patience beyond the clock's range is no deadline at all.
        self.drain(Instant::now().checked_add(patience))
    }

    /// Encodes the message behind what is still to be written.
    fn enqueue(&mut self, message: &S) -> Result<(), SendError> {
        if self.outgoing.sent == self.outgoing.bytes.len() {
            self.outgoing.bytes.clear();
            self.outgoing.sent = 0;
        }
        let mut frame = vec![0; HEADER];
        frame = postcard::to_extend(message, frame)
            .map_err(|error| SendError::NotEncodable(error.to_string()))?;
        let length = frame.len() - HEADER;
        let header = match u32::try_from(length) {
            Ok(length) if length <= self.limit => length.to_le_bytes(),
            _ => {
                let (length, limit) = (length as u64, self.limit.into());
                return Err(SendError::TooLong { length, limit });
            }
        };
        frame[..HEADER].copy_from_slice(&header);
        if self.outgoing.bytes.is_empty() {
            self.outgoing.bytes = frame;
        } else {
            self.outgoing.bytes.append(&mut frame);
        }
        Ok(())
    }

    /// Writes until nothing is left, or the deadline comes (false).
    fn drain(&mut self, deadline: Option<Instant>) -> Result<bool, SendError> {
        while let rest @ [_, ..] = &self.outgoing.bytes[self.outgoing.sent..] {
            let step = transmit(self.socket.as_fd(), rest, deadline.is_none());
            match step.map_err(send_error)? {
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
    /// Receives one message, and waits for it as long as it takes.
    ///
    /// The peer chooses the bytes: a type `R` whose values can nest without
    /// end (a list of itself), or hold any number of elements that take no
    /// bytes (`Vec<()>`), lets it exhaust the stack or the time of this
    /// thread. Use plain data.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv(&mut self) -> Result<Received<R>, RecvError> {
        loop {
            // Without a deadline there is always a frame in the end.
            if let Some(received) = self.recv_until(None)? {
                return Ok(received);
            }
        }
    }

    /// Receives one message, or `None` if it has not come, whole, in time.
    /// What has come of it is kept: the next call goes on from there.
    ///
    /// With a patience of zero it takes what is already here.
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
        let decoded = postcard::take_from_bytes(&body);
        let (value, rest) = decoded.map_err(|error| RecvError::Malformed(error.to_string()))?;
        if !rest.is_empty() {
            let message = format!("{} of {} bytes are left over", rest.len(), body.len());
            return Err(RecvError::Malformed(message));
        }
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

fn send_error(error: io::Error) -> SendError {
    match error.raw_os_error().map(Errno::from_raw) {
        // ECONNRESET: it closed without having read all that we sent.
        Some(Errno::EPIPE | Errno::ECONNRESET) => SendError::Closed,
        _ => SendError::Io(error),
    }
}
