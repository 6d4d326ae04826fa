//! The sockets of the clients stay blocking: each call says MSG_DONTWAIT itself, and each
//! event comes once (EPOLLONESHOT) and is asked for anew after each turn. It reads and
//! decodes all that a socket holds, up to 256 KiB, before it answers.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{MsgFlags, recv, send};

/// The bytes before each message, which hold its length.
const PREFIX: usize = size_of::<u32>();

// ---------------------------------------------------------------------- Bytes

/// A queue of bytes in one piece of memory.
///
/// Bytes that were taken stay in front of the others until they are half of
/// the buffer. So every byte is moved once on average, and the buffer is at most
/// twice as long as what it holds.
#[derive(Debug, Default)]
struct Bytes {
    buffer: Vec<u8>,
    /// The bytes at the beginning of the buffer that were taken.
    taken: usize,
}

impl Bytes {
    /// An empty queue keeps a buffer of at most this size.
    const KEPT: usize = 16 << 10;

    fn len(&self) -> usize {
        self.buffer.len() - self.taken
    }

    fn first(&self) -> &[u8] {
        &self.buffer[self.taken..]
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.taken > self.buffer.len() / 2 {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.buffer.len() {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.taken = 0;
        if self.buffer.capacity() > Self::KEPT {
            self.buffer = Vec::new();
        } else {
            self.buffer.clear();
        }
    }
}

// ------------------------------------------------------------- Part 1: Decoder

/// The length of a message is over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The length that the frame claims, in bytes.
    pub length: u32,
}

/// Makes messages of bytes that arrive in pieces.
#[derive(Debug)]
pub struct Decoder {
    limit: u32,
    arrived: Bytes,
    refused: Option<TooLong>,
}

impl Decoder {
    /// A decoder in which no byte waits. A message may have at most `limit` bytes.
    pub fn new(limit: u32) -> Decoder {
        Decoder {
            limit,
            arrived: Bytes::default(),
            refused: None,
        }
    }

    /// Adds bytes that have arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.refused.is_none() {
            self.arrived.push(bytes);
        }
    }

    /// Takes the next message out, if all its bytes have arrived. `None` means
    /// that more bytes are needed.
    ///
    /// # Errors
    /// If the length of the next message is over the limit, now and for ever.
    pub fn message(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        if let Some(refused) = self.refused {
            return Err(refused);
        }
        let Some((prefix, rest)) = self.arrived.first().split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*prefix);
        if length > self.limit {
            let refused = TooLong { length };
            self.refused = Some(refused);
            self.arrived.clear();
            return Err(refused);
        }
        let Some(message) = rest.get(..length as usize) else {
            return Ok(None);
        };
        let message = message.to_vec();
        self.arrived.take(PREFIX + message.len());
        Ok(Some(message))
    }
}

// -------------------------------------------------------------- Part 2: Outbox

/// The frames for one client that its stream has not taken yet.
#[derive(Debug)]
pub struct Outbox {
    untaken: Bytes,
}

impl Outbox {
    /// An outbox in which nothing waits.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Outbox {
        Outbox {
            untaken: Bytes::default(),
        }
    }

    /// Adds the frame of a message. Nothing is written yet.
    ///
    /// # Panics
    /// If the message has more than [`u32::MAX`] bytes. Nothing is queued then.
    pub fn queue(&mut self, message: &[u8]) {
        let length = u32::try_from(message.len()).expect("a message of at most 4 GiB");
        self.untaken.push(&length.to_be_bytes());
        self.untaken.push(message);
    }

    /// The number of bytes that wait.
    pub fn waiting(&self) -> usize {
        self.untaken.len()
    }

    /// Writes what waits, as far as the stream takes it. Returns whether
    /// nothing waits any more.
    ///
    /// # Errors
    /// `WriteZero` if the stream takes nothing (`Ok(0)`), and every error of
    /// the stream except `Interrupted` and `WouldBlock`.
    pub fn flush(&mut self, to: &mut impl Write) -> io::Result<bool> {
        while self.untaken.len() > 0 {
            match to.write(self.untaken.first()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.untaken.take(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

// --------------------------------------------------------------- Part 3: serve

/// What a server allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest request, in bytes without the four bytes of its length.
    pub message: u32,
    /// If more bytes than this wait for a client, the client has to read first.
    pub outbox: usize,
    /// The most clients that are connected at a time.
    pub clients: usize,
}

/// What a server has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The number of clients that it has accepted.
    pub clients: u64,
    /// The number of requests that it has handled.
    pub requests: u64,
}

/// Accepts clients and answers their requests until `stop` is ready.
///
/// # Errors
/// Those of epoll, and the lack of descriptors if no client is connected.
pub fn serve(
    listener: UnixListener,
    stop: BorrowedFd<'_>,
    limits: Limits,
    handler: impl FnMut(&[u8]) -> Vec<u8>,
) -> io::Result<Served> {
    /// The tokens of `stop` and of the listener. Clients have smaller ones.
    const STOP: u64 = u64::MAX;
    const LISTENER: u64 = u64::MAX - 1;
    /// One after the other wakes the thread, and each gets one turn.
    const EVENTS: usize = 64;

    listener.set_nonblocking(true)?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(stop, EpollEvent::new(EpollFlags::EPOLLIN, STOP))?;
    epoll.add(&listener, EpollEvent::new(EpollFlags::empty(), LISTENER))?;
    let mut work = Work {
        limits,
        handler,
        requests: 0,
        scratch: vec![0; 64 << 10],
    };
    // A token is never used again, so an event cannot mean another client than
    // the one for which it came.
    let mut clients: BTreeMap<u64, Client> = BTreeMap::new();
    let mut accepted = 0;
    let mut lacks_descriptors = false;
    let mut accepts = false;
    let mut events = [EpollEvent::empty(); EVENTS];
    loop {
        let may_accept = clients.len() < limits.clients && !lacks_descriptors;
        if may_accept != accepts {
            let interest = match may_accept {
                true => EpollFlags::EPOLLIN,
                false => EpollFlags::empty(),
            };
            epoll.modify(&listener, &mut EpollEvent::new(interest, LISTENER))?;
            accepts = may_accept;
        }
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        };
        let happened = &events[..count];
        if happened.iter().any(|event| event.data() == STOP) {
            return Ok(Served {
                clients: accepted,
                requests: work.requests,
            });
        }
        for event in happened {
            if event.data() == LISTENER {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let client = Client::new(stream, limits.message);
                        let interest = EpollEvent::new(client.wants(&limits), accepted);
                        epoll.add(&client.stream, interest)?;
                        clients.insert(accepted, client);
                        accepted += 1;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) if is_lack_of_descriptors(&error) && !clients.is_empty() => {
                        lacks_descriptors = true;
                    }
                    Err(error) => return Err(error),
                }
                continue;
            }
            let Some(client) = clients.get_mut(&event.data()) else {
                continue;
            };
            // An error of the stream is the end of this client, not of the server.
            if work.turn(client).unwrap_or(true) {
                clients.remove(&event.data());
                lacks_descriptors = false;
                continue;
            }
            let interest = client.wants(&limits);
            epoll.modify(&client.stream, &mut EpollEvent::new(interest, event.data()))?;
        }
    }
}

fn is_lack_of_descriptors(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw);
    matches!(number, Some(Errno::EMFILE | Errno::ENFILE))
}

/// One connection. Dropping it closes the socket and takes it out of the epoll.
struct Client {
    stream: UnixStream,
    decoder: Decoder,
    outbox: Outbox,
    /// Whether more requests may come from it.
    sends: bool,
}

impl Client {
    fn new(stream: UnixStream, limit: u32) -> Client {
        Client {
            stream,
            decoder: Decoder::new(limit),
            outbox: Outbox::new(),
            sends: true,
        }
    }

    /// The readiness that leads to a next step. Any other would wake the thread
    /// again and again.
    fn wants(&self, limits: &Limits) -> EpollFlags {
        let waiting = self.outbox.waiting();
        let mut interest = EpollFlags::EPOLLONESHOT;
        interest.set(EpollFlags::EPOLLIN, self.sends && waiting <= limits.outbox);
        interest.set(EpollFlags::EPOLLOUT, waiting > 0);
        interest
    }
}

/// What the turns of all clients share.
struct Work<H> {
    limits: Limits,
    handler: H,
    requests: u64,
    scratch: Vec<u8>,
}

impl<H: FnMut(&[u8]) -> Vec<u8>> Work<H> {
    /// Does for a client what can be done without waiting, but reads only once:
    /// others want their turns, too. Returns whether the connection is over.
    fn turn(&mut self, client: &mut Client) -> io::Result<bool> {
        client.outbox.flush(&mut Sender(&client.stream))?;
        self.answer(client)?;
        if client.outbox.waiting() <= self.limits.outbox {
            for _ in 0..4 {
                if !client.sends {
                    break;
                }
                match recv(
                    client.stream.as_raw_fd(),
                    &mut self.scratch,
                    MsgFlags::MSG_DONTWAIT,
                ) {
                    Ok(0) => client.sends = false,
                    Ok(count) => client.decoder.push(&self.scratch[..count]),
                    Err(Errno::EAGAIN | Errno::EINTR) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            self.answer(client)?;
        }
        // If nothing waits, `answer` has found no further request.
        Ok(!client.sends && client.outbox.waiting() == 0)
    }

    /// Handles requests until none is left or too much waits for the client.
    fn answer(&mut self, client: &mut Client) -> io::Result<()> {
        while client.outbox.waiting() <= self.limits.outbox {
            let Ok(next) = client.decoder.message() else {
                client.sends = false;
                break;
            };
            let Some(request) = next else { break };
            self.requests += 1;
            client.outbox.queue(&(self.handler)(&request));
            client.outbox.flush(&mut Sender(&client.stream))?;
        }
        Ok(())
    }
}

/// Sends without waiting and without SIGPIPE.
struct Sender<'a>(&'a UnixStream);

impl Write for Sender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        Ok(send(self.0.as_raw_fd(), bytes, flags)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
