//! The decoder decodes eagerly, with one state for each part of a frame, and the outbox is
//! a queue of frames. The server asks poll(2) about a list that it builds anew for
//! each wait.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The length of a message is over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The length that the frame claims, in bytes.
    pub length: u32,
}

#[derive(Debug)]
enum State {
    Length([u8; 4], usize),
    Message(Vec<u8>, usize),
    Refused(TooLong),
}

/// Makes messages of bytes that arrive in pieces.
#[derive(Debug)]
pub struct Decoder {
    limit: u32,
    whole: VecDeque<Vec<u8>>,
    state: State,
}

impl Decoder {
    /// Begins with a length.
    pub fn new(limit: u32) -> Decoder {
        let (whole, state) = (VecDeque::new(), State::Length([0; 4], 0));
        Decoder {
            limit,
            whole,
            state,
        }
    }

    /// Decodes the bytes at once.
    pub fn push(&mut self, mut bytes: &[u8]) {
        loop {
            match &mut self.state {
                State::Length(prefix, have) => {
                    let count = bytes.len().min(4 - *have);
                    prefix[*have..*have + count].copy_from_slice(&bytes[..count]);
                    bytes = &bytes[count..];
                    *have += count;
                    if *have < 4 {
                        return;
                    }
                    let length = u32::from_be_bytes(*prefix);
                    self.state = match length > self.limit {
                        true => State::Refused(TooLong { length }),
                        false => State::Message(Vec::new(), length as usize),
                    };
                }
                State::Message(message, length) => {
                    let count = bytes.len().min(*length - message.len());
                    message.extend_from_slice(&bytes[..count]);
                    bytes = &bytes[count..];
                    if message.len() < *length {
                        return;
                    }
                    self.whole.push_back(std::mem::take(message));
                    self.state = State::Length([0; 4], 0);
                }
                State::Refused(_) => return,
            }
        }
    }

    /// Takes the next of the messages that are whole.
    pub fn message(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        let next = self.whole.pop_front();
        if self.whole.is_empty() {
            self.whole = VecDeque::new();
        }
        match (next, &self.state) {
            (Some(message), _) => Ok(Some(message)),
            (None, State::Refused(error)) => Err(*error),
            (None, _) => Ok(None),
        }
    }
}

/// The frames that the stream has not taken yet.
#[derive(Debug)]
pub struct Outbox {
    frames: VecDeque<Vec<u8>>,
    /// How much of the first frame the stream has taken.
    taken: usize,
    waiting: usize,
}

impl Outbox {
    /// Nothing waits.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Outbox {
        let frames = VecDeque::new();
        Outbox {
            frames,
            taken: 0,
            waiting: 0,
        }
    }

    /// Adds a frame.
    pub fn queue(&mut self, message: &[u8]) {
        assert!(u32::try_from(message.len()).is_ok(), "it is too long");
        let length = message.len() as u32;
        self.frames
            .push_back([&length.to_be_bytes(), message].concat());
        self.waiting += 4 + message.len();
    }

    /// The bytes that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Writes one frame after the other.
    pub fn flush(&mut self, to: &mut impl Write) -> io::Result<bool> {
        while let Some(first) = self.frames.front() {
            match to.write(&first[self.taken..]) {
                Ok(0) => return Err(io::Error::new(ErrorKind::WriteZero, "it takes nothing")),
                Ok(count) => {
                    self.taken += count;
                    self.waiting -= count;
                    if self.taken == first.len() {
                        self.frames.pop_front();
                        self.taken = 0;
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => return Ok(false),
                    _ => return Err(error),
                },
            }
        }
        self.frames = VecDeque::new();
        Ok(true)
    }
}

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

struct Client {
    stream: UnixStream,
    decoder: Decoder,
    outbox: Outbox,
    ended: bool,
    gone: bool,
}

impl Client {
    fn interest(&self, limits: &Limits) -> PollFlags {
        let mut interest = PollFlags::empty();
        if !self.ended && self.outbox.waiting() <= limits.outbox {
            interest |= PollFlags::POLLIN;
        }
        if self.outbox.waiting() > 0 {
            interest |= PollFlags::POLLOUT;
        }
        interest
    }

    fn answer(
        &mut self,
        limits: &Limits,
        handler: &mut impl FnMut(&[u8]) -> Vec<u8>,
        requests: &mut u64,
    ) -> io::Result<()> {
        self.outbox.flush(&mut self.stream)?;
        while self.outbox.waiting() <= limits.outbox {
            match self.decoder.message() {
                Ok(None) => break,
                Ok(Some(request)) => {
                    *requests += 1;
                    let answer = handler(&request);
                    self.outbox.queue(&answer);
                    self.outbox.flush(&mut self.stream)?;
                }
                Err(TooLong { .. }) => {
                    self.ended = true;
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Waits with poll, and looks at everything in the order of the list.
pub fn serve(
    listener: UnixListener,
    stop: BorrowedFd<'_>,
    limits: Limits,
    mut handler: impl FnMut(&[u8]) -> Vec<u8>,
) -> io::Result<Served> {
    listener.set_nonblocking(true)?;
    let mut served = Served {
        clients: 0,
        requests: 0,
    };
    let mut clients: Vec<Client> = Vec::new();
    let mut full = false;
    let mut buffer = vec![0; 32 << 10];
    loop {
        let accepts = match !full && clients.len() < limits.clients {
            true => PollFlags::POLLIN,
            false => PollFlags::empty(),
        };
        let mut list = vec![
            PollFd::new(stop, PollFlags::POLLIN),
            PollFd::new(listener.as_fd(), accepts),
        ];
        for client in &clients {
            list.push(PollFd::new(client.stream.as_fd(), client.interest(&limits)));
        }
        match poll(&mut list, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            other => _ = other?,
        }
        let ready: Vec<bool> = list
            .iter()
            .map(|one| one.revents().is_some_and(|events| !events.is_empty()))
            .collect();
        drop(list);
        if ready[0] {
            return Ok(served);
        }
        for (client, _) in clients
            .iter_mut()
            .zip(&ready[2..])
            .filter(|(_, ready)| **ready)
        {
            let mut turn = || {
                client.answer(&limits, &mut handler, &mut served.requests)?;
                if client.interest(&limits).contains(PollFlags::POLLIN) {
                    match client.stream.read(&mut buffer) {
                        Ok(0) => client.ended = true,
                        Ok(count) => client.decoder.push(&buffer[..count]),
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                    client.answer(&limits, &mut handler, &mut served.requests)?;
                }
                Ok::<_, io::Error>(client.ended && client.outbox.waiting() == 0)
            };
            client.gone = turn().unwrap_or(true);
        }
        let before = clients.len();
        clients.retain(|client| !client.gone);
        full &= clients.len() == before;
        if ready[1] {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true)?;
                    let (decoder, outbox) = (Decoder::new(limits.message), Outbox::new());
                    clients.push(Client {
                        stream,
                        decoder,
                        outbox,
                        ended: false,
                        gone: false,
                    });
                    served.clients += 1;
                }
                Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EAGAIN | Errno::EINTR) => {}
                    Some(Errno::EMFILE | Errno::ENFILE) if !clients.is_empty() => full = true,
                    _ => return Err(error),
                },
            }
        }
    }
}
